//! The Connection of now, and the timers of its Supervisor.

use std::sync::Arc;

use ractor::{ActorId, ActorProcessingErr};

use super::{SupervisorMsg, SupervisorState};
use crate::actor::{ActorKind, ActorRef};
use crate::connection::ConnectionMsg;
use crate::fault::{Fault, FaultReason};
use crate::metadata::Wait;
use crate::metrics::actor_failed;
use crate::timer::Timer;

/// The Connection of now.
pub(super) struct Incarnation {
    pub(super) number: u64,
    pub(super) connection: ActorRef<ConnectionMsg>,
    pub(super) pid: Option<u32>,
    pub(super) ready: bool,
    /// Nothing of its transport is left.
    pub(super) gone: bool,
    /// Its actor failed, and will conclude nothing.
    pub(super) failed: bool,
}

#[derive(Default)]
pub(super) struct Timers {
    pub(super) ticket: Option<Timer>,
    pub(super) backoff: Option<Timer>,
    pub(super) tick: Option<Timer>,
    pub(super) drain: Option<Timer>,
    /// The backoff, or what is left of the breaker's cooldown, that began last.
    pub(super) wait: Option<Wait>,
}

impl Incarnation {
    pub(super) fn new(number: u64, connection: ActorRef<ConnectionMsg>) -> Self {
        Self { number, connection, pid: None, ready: false, gone: false, failed: false }
    }
}

impl SupervisorState {
    /// A Connection failed by a bug of ours, and concludes nothing any more.
    pub(super) fn connection_failed(
        &mut self,
        myself: &ActorRef<SupervisorMsg>,
        who: ActorId,
        why: &ActorProcessingErr,
    ) {
        let current = self.current.as_mut().filter(|current| current.connection.get_id() == who);
        let Some(current) = current else { return };
        current.failed = true;
        let (number, gone) = (current.number, current.gone);
        let usage = &self.args.route.place().usage;
        usage.idle();
        usage.set_queued(self.room.requests());
        actor_failed(ActorKind::Connection);
        self.tell_failed(number, &why.to_string());
        let fault = Fault::new(FaultReason::Panic, "the connection's actor failed; please report this");
        self.fault(myself, number, Arc::new(fault));
        if gone {
            self.concluded(myself, number);
        }
    }
}
