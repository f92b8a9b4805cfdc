//! What has been seen in a storm, by the children and by the callers, and what of it was wrong.
//!
//! One for each thread, and so for each test: all of a storm runs on one thread. Whatever sees something writes it down
//! here, at the moment in which it sees it.

mod births;
mod requests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use mcpvisor_config::{Backend, Config, Transport};
use serde::Deserialize;
use tokio::time::Instant;

use super::reckoning::Reckoning;
use super::session::Question;
use super::world::{BACKENDS, DRAIN, REQUEST};
use crate::actor::ActorRef;
use crate::connection::ConnectionMsg;
use crate::error::Refusal;
use crate::key::ConnectionKey;
use crate::route::Attached;
use crate::route::Route;
pub(super) use requests::{Request, Way};

thread_local! {
    static LEDGER: RefCell<Ledger> = RefCell::new(Ledger::new(0));
}

/// The ledger of this thread. Nothing that it is told calls it again.
pub(super) fn ledger<R>(write: impl FnOnce(&mut Ledger) -> R) -> R {
    LEDGER.with_borrow_mut(write)
}

/// Another configuration has come to everybody within this time.
const CONFIGURED: Duration = Duration::from_millis(10);

/// What it replaces has ended within this time: what is in flight may finish, and orders may come in between.
const REPLACED: Duration = DRAIN.saturating_mul(2).saturating_add(REQUEST);

/// What an attach came to, and the route that it gave.
type Opened = Result<(Attached, Option<Route>), Refusal>;

pub(super) struct Ledger {
    pub(super) seed: u64,
    started: Instant,
    /// The storm is over: from now on children are good.
    pub(super) calm: bool,
    /// The service drains.
    pub(super) closing: bool,
    /// Panics were injected.
    pub(super) panicked: bool,
    pub(super) children: BTreeMap<u64, Child>,
    pub(super) live: BTreeMap<ConnectionKey, u64>,
    born: BTreeMap<ConnectionKey, u64>,
    pub(super) reckonings: Vec<Reckoning>,
    pub(super) requests: Vec<Request>,
    pub(super) questions: Vec<Question>,
    /// Sessions whose end was announced by the tree.
    pub(super) ended: Vec<usize>,
    /// Attaches that were answered, and are not dealt with yet.
    pub(super) attached: Vec<(usize, Opened)>,
    /// With what children of a backend are launched, if at all, and since when.
    configured: BTreeMap<String, (Option<Transport>, Instant)>,
    /// Links that are gone: whoever waited for an answer over one of them has to get it until then.
    orphaned: Vec<(Instant, u64)>,
    trace: u64,
    pub(super) events: u64,
    lines: Option<Vec<String>>,
    pub(super) wrongs: Vec<String>,
}

/// One scripted child.
pub(super) struct Child {
    /// Its key, and how many that key had before.
    pub(super) name: String,
    pub(super) key: ConnectionKey,
    pub(super) connection: ActorRef<ConnectionMsg>,
    /// With what it was launched.
    transport: Transport,
    /// Who launched it.
    supervisor: Option<ractor::ActorId>,
    reckoning: usize,
    process: bool,
    deaf: bool,
    exited: bool,
    /// Told to close, killed, or given up.
    pub(super) ordered: bool,
    /// Its end was seen before that.
    pub(super) failed: bool,
    /// The request of the handshake that waits for its answer.
    shaking: Option<u64>,
    /// When it gave its last answer in the handshake.
    pub(super) shaken: Option<Instant>,
    /// A failed request was reported; whether it is known that it was counted.
    status: Option<bool>,
    /// The latest arrival among the requests that were written to it first, by session.
    latest: BTreeMap<usize, usize>,
}

impl Ledger {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            started: Instant::now(),
            calm: false,
            closing: false,
            panicked: false,
            children: BTreeMap::new(),
            live: BTreeMap::new(),
            born: BTreeMap::new(),
            reckonings: Vec::new(),
            requests: Vec::new(),
            questions: Vec::new(),
            ended: Vec::new(),
            attached: Vec::new(),
            configured: BTreeMap::new(),
            orphaned: Vec::new(),
            trace: 0,
            events: 0,
            lines: std::env::var_os("MCPVISOR_TRACE").map(|_| Vec::new()),
            wrongs: Vec::new(),
        }
    }

    /// A new storm begins.
    pub(super) fn begin(seed: u64) {
        drop(LEDGER.replace(Self::new(seed)));
    }

    /// Something that no user may ever see has been seen.
    pub(super) fn wrong(&mut self, what: String) {
        self.note(format_args!("WRONG: {what}"));
        let at = self.started.elapsed().as_millis();
        self.wrongs.push(format!("at {at} ms: {what}"));
    }

    /// Another configuration is on its way to everybody.
    pub(super) fn configure(&mut self, config: &Config) {
        let now = Instant::now();
        for name in BACKENDS {
            let transport = config.backends.get(name).map(|backend| backend.transport.clone());
            let known = self.configured.entry(name.to_owned()).or_insert((None, now));
            if known.0 != transport {
                *known = (transport, now);
            }
        }
    }

    /// A child is launched as it was configured, or as it is.
    fn check_configured(&mut self, backend: &Backend) {
        let Some((wanted, since)) = self.configured.get(&backend.name) else { return };
        if wanted.as_ref() != Some(&backend.transport) && since.elapsed() > CONFIGURED {
            let (name, since) = (&backend.name, since.elapsed());
            self.wrong(format!("{name} is launched as it was configured {since:?} before"));
        }
    }

    /// What was launched otherwise than is configured has had its time to finish.
    pub(super) fn check_replaced(&mut self) {
        let late = |number: &&u64| {
            let child = self.children.get(number)?;
            let (wanted, since) = self.configured.get(&*child.key.backend_id)?;
            let differs = wanted.as_ref() != Some(&child.transport);
            (differs && since.elapsed() > REPLACED).then_some(())
        };
        let late: Vec<u64> = self.live.values().filter(|number| late(number).is_some()).copied().collect();
        for number in late {
            let name = self.name(number);
            self.wrong(format!("{name} still lives, and is configured no longer"));
        }
    }

    /// Something happened. What happens in the same moment may do so in any order.
    pub(super) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        let at = self.started.elapsed().as_millis();
        let line = format!("{at:>6} {what}");
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        self.trace = self.trace.wrapping_add(hasher.finish());
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// The same for two storms in which the same things happened at the same times.
    pub(super) fn trace(&self) -> u64 {
        self.trace
    }

    /// What happened, if it was to be kept (`MCPVISOR_TRACE`).
    pub(super) fn told(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

/// The number of the client's request that a message is; requests of mcpvisor's own have none.
pub(super) fn tag_of(message: &Bytes) -> Option<usize> {
    #[derive(Deserialize)]
    struct Tagged {
        tag: Option<usize>,
    }
    serde_json::from_slice::<Tagged>(message).ok()?.tag
}
