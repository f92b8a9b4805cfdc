//! The root of the tree.
//!
//! * Owns: the table of live incarnations (one per key at most), the Registry, the Janitor.
//! * Receives: claims for a key or for a spare, the end of an incarnation, the orders to reload and to drain.
//! * Sends: seats to Supervisors, and to the Registry for its spares; the news that an incarnation is gone.
//! * Dies when: the service ends, or the Registry fails more than [`RESTARTS`] times in [`WINDOW`]: then
//!   the embedding program is told to give up (exit code 70).

mod seat;
mod table;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorProcessingErr, SupervisionEvent};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use mcpvisor_config::{Config, Difference};

use crate::actor::{Actor, ActorKind, ActorRef};
use crate::event::{self, EventKind};
use crate::janitor::{Janitor, JanitorMsg};
use crate::key::ConnectionKey;
use crate::registry::{Registry, RegistryAddress, RegistryArgs, RegistryMsg, Reloaded, SpareMsg};
use crate::supervisor::SupervisorMsg;
use table::Table;

pub(crate) use seat::Seat;

/// The Registry is restarted this often …
const RESTARTS: usize = 3;
/// … in this time. The numbers are OTP's habit: a bug that survives three restarts is not going away.
const WINDOW: Duration = Duration::from_secs(10);

/// What the Root is told.
pub(crate) enum RootMsg {
    /// A Supervisor wants to launch its key. It gets its seat once no incarnation of the key lives.
    Claim { key: ConnectionKey, supervisor: ActorRef<SupervisorMsg> },
    /// The Registry wants to keep a process of this backend in reserve. It belongs to no key.
    SeatSpare { backend: Arc<str>, registry: ActorRef<RegistryMsg> },
    /// The Registry asks a backend what it speaks.
    SeatProbe { registry: ActorRef<RegistryMsg>, reply: oneshot::Sender<Seat> },
    /// A Supervisor got a spare in place of a launch: it takes over the seat, and the key with it.
    TakeOver { spare: u64, seat: Seat, supervisor: ActorRef<SupervisorMsg> },
    /// An incarnation and all its processes are gone.
    Gone { incarnation: u64 },
    /// Another configuration. `None`: the service ends, and nothing has changed.
    Reload { config: Arc<Config>, reply: oneshot::Sender<Option<Reloaded>> },
    /// No new work; everything retired by `deadline`. `done` when nothing lives any more.
    Drain { deadline: Instant, close: bool, done: oneshot::Sender<()> },
    /// The Registry has no keys left.
    Empty,
}

pub(crate) struct Root;

pub(crate) struct RootArgs {
    pub(crate) registry: RegistryArgs,
    pub(crate) address: RegistryAddress,
    /// Becomes true when supervision has given up.
    pub(crate) escalated: watch::Sender<bool>,
}

pub(crate) struct RootState {
    args: RootArgs,
    registry: Option<ActorRef<RegistryMsg>>,
    janitor: Option<ActorRef<JanitorMsg>>,
    table: Table,
    failures: VecDeque<Instant>,
    draining: Option<Drain>,
}

/// Who is told when an incarnation is gone.
#[derive(Clone)]
enum Holder {
    Supervisor(ActorRef<SupervisorMsg>),
    Reserve(ActorRef<RegistryMsg>),
}

struct Drain {
    empty: bool,
    done: Vec<oneshot::Sender<()>>,
}

impl Actor for Root {
    const KIND: ActorKind = ActorKind::Root;
    type Msg = RootMsg;
    type State = RootState;
    type Arguments = RootArgs;

    async fn pre_start(&self, _: ActorRef<RootMsg>, args: RootArgs) -> Result<RootState, ActorProcessingErr> {
        let table = Table::default();
        Ok(RootState {
            args,
            registry: None,
            janitor: None,
            table,
            failures: VecDeque::new(),
            draining: None,
        })
    }

    async fn post_start(
        &self,
        myself: ActorRef<RootMsg>,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        state.start_registry(&myself).await?;
        state.start_janitor(&myself).await
    }

    async fn handle(
        &self,
        myself: ActorRef<RootMsg>,
        message: RootMsg,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMsg::Claim { key, supervisor } => {
                let seated = state.table.claim(key, Holder::Supervisor(supervisor));
                grant(&myself, seated);
            }
            RootMsg::SeatSpare { backend, registry } => {
                let incarnation = state.table.seat_spare(Holder::Reserve(registry.clone()));
                let seat = Seat::new(incarnation, myself);
                let _ = registry.send_message(RegistryMsg::Spare(SpareMsg::Seated { backend, seat }));
            }
            RootMsg::SeatProbe { registry, reply } => {
                let incarnation = state.table.seat_spare(Holder::Reserve(registry));
                let _ = reply.send(Seat::new(incarnation, myself));
            }
            RootMsg::TakeOver { spare, seat, supervisor } => {
                let owner = Holder::Supervisor(supervisor);
                if !state.table.take_over(spare, seat.incarnation(), owner.clone()) {
                    owner.gone(spare);
                }
            }
            RootMsg::Gone { incarnation } => {
                let freed = state.table.gone(incarnation);
                if let Some(owner) = freed.owner {
                    owner.gone(incarnation);
                }
                grant(&myself, freed.next);
            }
            RootMsg::Reload { config, reply } => state.reload(config, reply),
            RootMsg::Drain { deadline, close, done } => state.drain(deadline, close, done),
            RootMsg::Empty => {
                if let Some(drain) = &mut state.draining {
                    drain.empty = true;
                }
            }
        }
        state.finish_drain();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMsg>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (who, why) = match event {
            SupervisionEvent::ActorFailed(who, error) => (who.get_id(), error.to_string()),
            SupervisionEvent::ActorTerminated(who, _, reason) => (who.get_id(), reason.unwrap_or_default()),
            _ => return Ok(()),
        };
        if state.janitor.as_ref().is_some_and(|janitor| janitor.get_id() == who) {
            state.tell_failed("janitor", format!("the janitor failed; it is started again: {why}"));
            crate::metrics::actor_failed(ActorKind::Janitor);
            return state.start_janitor(&myself).await;
        }
        if state.registry.as_ref().is_none_or(|registry| registry.get_id() != who) {
            return Ok(());
        }
        state.registry_failed(&myself, &why).await
    }
}

impl RootState {
    async fn start_registry(&mut self, myself: &ActorRef<RootMsg>) -> Result<(), ActorProcessingErr> {
        let args = RegistryArgs { root: Some(myself.clone()), ..self.args.registry.clone() };
        let (registry, _) = Registry::spawn_linked(None, Registry, args, myself.get_cell()).await?;
        self.args.address.set(registry.clone());
        self.registry = Some(registry);
        Ok(())
    }

    async fn start_janitor(&mut self, myself: &ActorRef<RootMsg>) -> Result<(), ActorProcessingErr> {
        let args = (self.args.registry.live.config(), self.args.address.clone());
        let (janitor, _) = Janitor::spawn_linked(None, Janitor, args, myself.get_cell()).await?;
        self.janitor = Some(janitor);
        Ok(())
    }

    /// Its Supervisors died with it, and their children are being killed; sessions live on in the front.
    async fn registry_failed(
        &mut self,
        myself: &ActorRef<RootMsg>,
        why: &str,
    ) -> Result<(), ActorProcessingErr> {
        self.tell_failed("registry", format!("the registry failed: {why}"));
        let now = Instant::now();
        self.failures.retain(|at| now.saturating_duration_since(*at) < WINDOW);
        self.failures.push_back(now);
        if self.failures.len() > RESTARTS {
            let text = "the registry keeps failing; giving up";
            self.args.registry.events.emit(event::SupervisionEvent::new(EventKind::Escalated, text));
            self.args.escalated.send_replace(true);
            return Err("the registry keeps failing".into());
        }
        if self.draining.is_some() {
            self.registry = None;
            if let Some(drain) = &mut self.draining {
                drain.empty = true;
            }
            self.finish_drain();
            return Ok(());
        }
        crate::metrics::actor_failed(ActorKind::Registry);
        self.start_registry(myself).await
    }

    /// One after the other. It holds for a Registry that is started from here on too, whatever becomes of this one.
    fn reload(&mut self, config: Arc<Config>, reply: oneshot::Sender<Option<Reloaded>>) {
        if self.draining.is_some() {
            let _ = reply.send(None);
            return;
        }
        let live = &self.args.registry.live;
        let difference = Box::new(Difference::between(&live.config(), &config));
        live.set(config.clone());
        if let Some(janitor) = &self.janitor {
            let _ = janitor.send_message(JanitorMsg::Configure(config));
        }
        let (done, reloaded) = oneshot::channel();
        if let Some(registry) = &self.registry {
            // One that has failed is replaced, and what was connected is not.
            let _ = registry.send_message(RegistryMsg::Reload { difference, reply: done });
        }
        tokio::spawn(async move {
            let reloaded = match reloaded.await {
                Ok(ordered) => ordered.taken().await,
                Err(_) => Reloaded::default(),
            };
            reply.send(Some(reloaded))
        });
    }

    fn tell_failed(&self, actor: &'static str, text: String) {
        let event = event::SupervisionEvent::new(EventKind::ActorFailed, text);
        self.args.registry.events.emit(event.by(actor));
    }

    fn drain(&mut self, deadline: Instant, close: bool, done: oneshot::Sender<()>) {
        let told = self
            .registry
            .as_ref()
            .is_some_and(|registry| registry.send_message(RegistryMsg::Drain { deadline, close }).is_ok());
        let drain = self.draining.get_or_insert(Drain { empty: !told, done: Vec::new() });
        drain.done.push(done);
    }

    fn finish_drain(&mut self) {
        if !self.table.is_empty() {
            return;
        }
        if let Some(drain) = self.draining.as_mut().filter(|drain| drain.empty) {
            for done in drain.done.drain(..) {
                let _ = done.send(());
            }
        }
    }
}

impl Holder {
    /// Nobody is left to be told if it is gone as well.
    fn gone(&self, incarnation: u64) {
        match self {
            Self::Supervisor(supervisor) => {
                let _ = supervisor.send_message(SupervisorMsg::Gone { incarnation });
            }
            Self::Reserve(registry) => {
                let _ = registry.send_message(RegistryMsg::Spare(SpareMsg::Gone { incarnation }));
            }
        }
    }
}

/// A seat that cannot be delivered is dropped, which frees the key again.
fn grant(myself: &ActorRef<RootMsg>, seated: Option<(u64, Holder)>) {
    if let Some((incarnation, Holder::Supervisor(supervisor))) = seated {
        let _ = supervisor.send_message(SupervisorMsg::Seated(Seat::new(incarnation, myself.clone())));
    }
}

#[cfg(test)]
mod tests;
