//! One storm: everything that users, operators and bad luck may do to the tree, in an order that a seed decides.

mod aftermath;
mod operations;
mod reloads;
mod transports;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Counts;
use super::dice::Dice;
use super::ledger::{Ledger, ledger};
use super::session::Session;
use super::world::{self, World};
use crate::actor::ActorRef;
use crate::connection::ConnectionMsg;
use crate::launcher::Launcher;
use crate::metadata::Phase;

/// What may happen, apart from clients that use the service and children that fail.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sky {
    /// Orders of operators, ends of sessions.
    pub(super) orders: bool,
    /// `record_error`
    pub(super) errors: bool,
    /// Panics of Connections and Supervisors …
    pub(super) panics: bool,
    /// … and of the Registry.
    pub(super) registry_panics: bool,
    /// Transports that somebody else has opened.
    pub(super) transports: bool,
    /// Other configurations.
    pub(super) reloads: bool,
}

/// What is left of a storm for its test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) trace: u64,
    pub(super) events: u64,
    pub(super) requests: usize,
    pub(super) answered: usize,
    pub(super) children: usize,
    pub(super) compared: u64,
    pub(super) believed: u64,
    pub(super) wrongs: Vec<String>,
    pub(super) lines: Vec<String>,
}

pub(super) struct Storm {
    dice: Dice,
    sky: Sky,
    launcher: Launcher,
    sessions: Vec<Session>,
    /// The Root gives up at the fourth failure of the Registry within ten seconds.
    registry_panics: Vec<Instant>,
    world: World,
}

/// A storm in a world of its own.
pub(super) fn storm(seed: u64, sky: Sky) -> Report {
    let counts = Counts::default();
    let _recorder = metrics::set_default_local_recorder(&counts);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(async {
        Ledger::begin(seed);
        let launcher = Launcher::new(world::config(), CancellationToken::new()).await;
        let launcher = launcher.unwrap_or_else(|error| panic!("{error}"));
        let mut storm = Storm {
            dice: Dice::new(seed),
            sky,
            launcher,
            sessions: Vec::new(),
            registry_panics: Vec::new(),
            world: World::default(),
        };
        // Most are short: what goes wrong in a few steps is easily understood.
        for _ in 0..5 + storm.dice.below(60) {
            storm.happen().await;
            storm.pass().await;
            storm.look();
            if !ledger(|ledger| ledger.wrongs.is_empty()) {
                return;
            }
        }
        storm.subside(&counts).await;
    });
    drop(runtime);
    ledger(|ledger| Report {
        trace: ledger.trace(),
        events: ledger.events,
        requests: ledger.requests.len(),
        answered: ledger.requests.iter().filter(|one| one.is_answered()).count(),
        children: ledger.children.len(),
        compared: ledger.reckonings.iter().map(|one| one.compared).sum(),
        believed: ledger.reckonings.iter().map(|one| one.believed).sum(),
        wrongs: std::mem::take(&mut ledger.wrongs),
        lines: ledger.told(),
    })
}

impl Storm {
    /// Some time passes; often none, and often only as much as it takes others to get on a little.
    async fn pass(&mut self) {
        match self.dice.below(20) {
            0..5 => {}
            5..9 => {
                for _ in 0..self.dice.below(12) {
                    tokio::task::yield_now().await;
                }
            }
            9..15 => tokio::time::sleep(self.dice.millis(1..40)).await,
            15..19 => tokio::time::sleep(self.dice.millis(40..500)).await,
            _ => tokio::time::sleep(self.dice.millis(500..4000)).await,
        }
    }

    /// What may never be, at any time.
    fn look(&mut self) {
        self.take_note();
        ledger(|ledger| {
            ledger.check_orphaned();
            ledger.check_overdue();
            ledger.check_replaced();
            for at in 0..ledger.reckonings.len() {
                let key = ledger.reckonings[at].route.key().clone();
                // The ends of transports that others have opened are not in the ledger; nobody counts against a session
                // that is over.
                let foreign = self.sky.transports && &*key.session_id == "library";
                if foreign || &*key.backend_id == world::MAYFLY {
                    continue;
                }
                let status = ledger.reckonings[at].route.place().status.load_full();
                let status = status.filter(|one| matches!(one.phase, Phase::Ready | Phase::Draining));
                let child = status.and_then(|status| ledger.children.get(&status.incarnation));
                let ready = child.filter(|child| !child.failed).and_then(|child| child.shaken);
                let wrong = ledger.reckonings[at].compare(ready);
                wrong.into_iter().for_each(|wrong| ledger.wrong(wrong));
            }
        });
    }

    /// Deals with the answers to `initialize` that have come.
    fn take_note(&mut self) {
        for (number, attached) in ledger(|ledger| std::mem::take(&mut ledger.attached)) {
            let session = &mut self.sessions[number];
            match attached {
                Ok((attached, route)) => {
                    session.open = attached.accepted;
                    session.route = route.or(session.route.take());
                    if session.open && !session.library {
                        session.notify("notifications/initialized", "{}");
                    }
                }
                // A client gets no session then; the library may ask again.
                Err(_) => session.over |= !session.library,
            }
        }
        for number in ledger(|ledger| std::mem::take(&mut ledger.ended)) {
            self.sessions[number].over = true;
        }
    }

    /// An order for all keys of a backend, or for all there are, is on its way.
    fn ordered(&self, backend: Option<&str>) {
        ledger(|ledger| {
            for reckoning in &mut ledger.reckonings {
                if backend.is_none_or(|backend| *reckoning.route.key().backend_id == *backend) {
                    reckoning.ordered();
                }
            }
        });
    }

    /// The Connections of the children that live, in order.
    fn connections() -> Vec<(u64, ActorRef<ConnectionMsg>)> {
        ledger(|ledger| {
            let live = ledger.live.values();
            live.map(|number| (*number, ledger.children[number].connection.clone())).collect()
        })
    }
}
