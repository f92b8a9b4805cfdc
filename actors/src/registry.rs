//! Get-or-launch, by message: two callers of one key can never start two of them, and nobody waits for
//! somebody else's launch.
//!
//! * Owns: one entry per key (its Supervisor, its route), one pure entry per backend (launch tickets), the links of
//!   processes that are kept in reserve.
//! * Receives: attach, requests that found no Supervisor, tickets, the clean-up tick, reload, drain; what spares report.
//! * Sends: work and spares to Supervisors; the news to the Root that the last key is gone.
//! * Dies when: a bug makes it; the Root starts another, and sessions launch anew at their next request.
//!
//! It is the parent of every Supervisor, so "give me this key" and "that one died" arrive in one mailbox
//! and cannot overtake each other.

mod address;
mod backend;
mod drain;
mod entry;
mod eras;
mod hosts;
mod keys;
mod launches;
mod list;
mod memory;
mod message;
mod operator;
mod receipt;
mod reload;
mod shares;
mod spares;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorId, ActorProcessingErr, SupervisionEvent};
use tokio::sync::oneshot;

use crate::actor::{Actor, ActorKind, ActorRef};
use crate::error::{EndCause, Refusal};
use crate::event::EventSender;
use crate::janitor;
use crate::key::ConnectionKey;
use crate::link::http::Tokens;
use crate::live::{Live, served};
use crate::process::Sweeper;
use crate::root::RootMsg;
use crate::route::Attached;
use crate::supervisor::SupervisorMsg;

pub(crate) use address::RegistryAddress;
use backend::BackendEntry;
pub(crate) use backend::{News, Start};
use drain::Drain;
use entry::Entry;
use eras::Probes;
pub(crate) use eras::{Eras, configured};
pub(crate) use hosts::Hosts;
pub use list::BackendState;
pub(crate) use message::RegistryMsg;
pub(crate) use operator::{Order, Stopped};
pub(crate) use receipt::{Ordered, Receipt};
pub use reload::Reloaded;
use spares::Kept;
pub(crate) use spares::SpareMsg;

/// What a waiter of an attach gets.
pub(crate) type AttachReply = oneshot::Sender<Result<Attached, Refusal>>;

#[derive(Clone)]
pub(crate) struct RegistryArgs {
    pub(crate) live: Arc<Live>,
    pub(crate) address: RegistryAddress,
    pub(crate) root: Option<ActorRef<RootMsg>>,
    pub(crate) instance: Arc<str>,
    pub(crate) sweeper: Sweeper,
    pub(crate) events: EventSender,
    pub(crate) stopped: Stopped,
    pub(crate) hosts: Hosts,
    pub(crate) eras: Eras,
    /// Of the backends that want tokens of ours.
    pub(crate) tokens: Tokens,
}

pub(crate) struct Registry;

pub(crate) struct RegistryState {
    myself: ActorRef<RegistryMsg>,
    args: RegistryArgs,
    entries: HashMap<ConnectionKey, Entry>,
    keys: HashMap<ActorId, ConnectionKey>,
    hosts: Hosts,
    backends: HashMap<Arc<str>, BackendEntry>,
    reserve: HashMap<u64, Kept>,
    probes: Probes,
    draining: Option<Drain>,
}

impl Actor for Registry {
    const KIND: ActorKind = ActorKind::Registry;
    type Msg = RegistryMsg;
    type State = RegistryState;
    type Arguments = RegistryArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<RegistryMsg>,
        args: RegistryArgs,
    ) -> Result<RegistryState, ActorProcessingErr> {
        let config = args.live.config();
        let backends: HashMap<Arc<str>, _> =
            served(&config).map(|backend| (Arc::from(&*backend.name), BackendEntry::new(backend))).collect();
        crate::metrics::start_at_zero();
        let (entries, keys, reserve, probes) = Default::default();
        let hosts = args.hosts.clone();
        let mut state =
            RegistryState { myself, args, entries, keys, hosts, backends, reserve, probes, draining: None };
        state.keep_all_spares();
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<RegistryMsg>,
        message: RegistryMsg,
        state: &mut RegistryState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RegistryMsg::Attach { route, reply } => match state.get_or_launch(&myself, &route).await {
                Ok(supervisor) => tell(supervisor, SupervisorMsg::Attach { route, reply }),
                Err(refusal) => drop(reply.send(Err(refusal))),
            },
            RegistryMsg::Open { key, reply } => drop(reply.send(state.open(&myself, key).await)),
            RegistryMsg::Get { key, reply } => {
                let route = state.entries.get(&key).map(|entry| entry.route.clone());
                let _ = reply.send(route);
            }
            RegistryMsg::Set { key, transport, reply } => {
                let _ = reply.send(state.set(&myself, key, transport).await);
            }
            RegistryMsg::Request(pending) => {
                let route = pending.route().clone();
                match state.get_or_launch(&myself, &route).await {
                    Ok(supervisor) => tell(supervisor, SupervisorMsg::Request(pending)),
                    Err(refusal) => pending.refuse(refusal),
                }
            }
            RegistryMsg::Notify(notice) => {
                // A backend that is not there has nothing to be told: what counts is in the session's record.
                if let Some(entry) = state.entries.get(notice.route.key()) {
                    tell(&entry.supervisor, SupervisorMsg::Notify(notice));
                }
            }
            RegistryMsg::Leave { route, cause } => {
                if let Some(entry) = state.entries.get(route.key()) {
                    tell(&entry.supervisor, SupervisorMsg::Leave { route, cause });
                }
            }
            RegistryMsg::End { key, cause, done } => state.end(&key, cause, done),
            RegistryMsg::RecordError { key, reply } => match state.entries.get(&key) {
                Some(entry) => tell(&entry.supervisor, SupervisorMsg::External { reply }),
                None => drop(reply.send(None)),
            },
            RegistryMsg::Ticket { key, spare } => state.ticket(key, spare),
            RegistryMsg::TicketDone { key } => state.ticket_done(&key),
            RegistryMsg::News { key, news } => state.learn(&myself, &key, news),
            RegistryMsg::Spare(message) => state.spare(message),
            RegistryMsg::Era { backend, credentials, reply } => state.era(backend, credentials, reply),
            RegistryMsg::Probed { backend, spoken } => state.probed(&backend, spoken),
            RegistryMsg::BreakerOver { backend } => state.breaker_over(&backend),
            RegistryMsg::Operate { order, backend, session, reply } => {
                let _ = reply.send(state.operate(order, &backend, session.as_deref()));
            }
            RegistryMsg::MayEnd { key, supervisor } => state.may_end(&key, supervisor),
            RegistryMsg::CleanUp { interval } => state.clean_up(interval),
            RegistryMsg::Reload { difference, reply } => drop(reply.send(state.reload(&difference))),
            RegistryMsg::List { reply } => drop(reply.send(state.list())),
            RegistryMsg::Backends { reply } => drop(reply.send(state.backend_states())),
            RegistryMsg::Alive { reply } => drop(reply.send(())),
            RegistryMsg::Measure { reply } => state.show_standings(reply),
            RegistryMsg::Drain { deadline, close } => state.drain(deadline, close),
            #[cfg(test)]
            RegistryMsg::Panic => panic!("injected into the registry"),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RegistryMsg>,
        event: SupervisionEvent,
        state: &mut RegistryState,
    ) -> Result<(), ActorProcessingErr> {
        let mut failed = false;
        let id = match &event {
            SupervisionEvent::ActorTerminated(who, ..) => who.get_id(),
            SupervisionEvent::ActorFailed(who, why) => {
                state.tell_failed(who.get_id(), &why.to_string());
                crate::metrics::actor_failed(ActorKind::Supervisor);
                failed = true;
                who.get_id()
            }
            _ => return Ok(()),
        };
        if let Some(key) = state.keys.remove(&id) {
            let entry = state.forget(&key, id);
            if let Some(entry) = entry.filter(|_| failed) {
                state.resume(&myself, entry).await;
            }
        }
        Ok(())
    }
}

impl RegistryState {
    fn end(&mut self, key: &ConnectionKey, cause: EndCause, done: Option<oneshot::Sender<bool>>) {
        self.hosts.end(key);
        match self.entries.get(key) {
            Some(entry) => tell(&entry.supervisor, SupervisorMsg::Delete { cause, done }),
            None => drop(done.map(|done| done.send(false))),
        }
    }

    /// After this the Supervisor finds what still reached it in its mailbox, before `Ended`, and sends it
    /// back here.
    fn may_end(&mut self, key: &ConnectionKey, supervisor: ActorId) {
        let Some(entry) = self.entries.get(key).filter(|entry| entry.supervisor.get_id() == supervisor)
        else {
            return;
        };
        tell(&entry.supervisor, SupervisorMsg::Ended);
        self.keys.remove(&supervisor);
        drop(self.forget(key, supervisor));
    }

    fn forget(&mut self, key: &ConnectionKey, supervisor: ActorId) -> Option<Entry> {
        let ours = self.entries.get(key).is_some_and(|entry| entry.supervisor.get_id() == supervisor);
        let entry = if ours { self.entries.remove(key) } else { None };
        self.launch_forgotten(key);
        self.report_empty();
        entry
    }

    fn clean_up(&mut self, interval: Duration) {
        self.hosts.forget_unused(|key| self.entries.contains_key(key));
        self.keep_all_spares();
        for entry in self.entries.values() {
            let backend = &entry.configured.backend;
            let turn = backend.pool.cleanup_interval == interval;
            if turn && janitor::due(entry.seen(), backend) {
                tell(&entry.supervisor, SupervisorMsg::Evict);
            }
        }
    }
}

/// A Supervisor that is gone is reported to us by its own supervision event; what it was sent goes back
/// to the Registry when it is dropped.
fn tell(supervisor: &ActorRef<SupervisorMsg>, message: SupervisorMsg) {
    let _ = supervisor.send_message(message);
}
