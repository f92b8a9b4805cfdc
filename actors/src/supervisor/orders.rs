//! Orders from the janitor and the embedding program.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::events::random;
use super::machine::{Event, Retire};
use super::{SupervisorMsg, SupervisorState};
use crate::actor::ActorRef;
use crate::connection::Loss;
use crate::event::EventKind;
use crate::fault::{Fault, FaultReason};
use crate::janitor::{self, Seen};
use crate::link::duplex::OpenTransport;
use crate::metadata::Phase;
use crate::timer::Timer;

/// The end of a killed process is seen, and what it started is swept, within this time.
pub(crate) const SWEEP: Duration = Duration::from_millis(500);

impl SupervisorState {
    /// The janitor decided on a copy; a request may have come since.
    pub(super) fn evict(&mut self, myself: &ActorRef<SupervisorMsg>) {
        let mut seen = Seen::of(&self.args.route, self.machine.phase(), Instant::now());
        seen.busy |= self.room.requests() > 0 || !self.attached.is_empty();
        if !janitor::due(seen, &self.args.configured.backend) {
            return;
        }
        // A Connection has the last word on its own eviction, and counts it.
        if self.machine.phase() == Phase::BackingOff {
            self.args.metrics.evicted();
            self.tell(EventKind::Evicted, "idle", "nobody used it");
        }
        self.on(myself, Event::Evict);
    }

    /// The Supervisor before this one failed, by a bug of ours; its Connection died with it.
    pub(super) fn resume(&mut self, myself: &ActorRef<SupervisorMsg>) {
        // An open transport cannot be opened again.
        if !self.args.configured.launchable || self.machine.is_stopped() {
            return;
        }
        let fault = Fault::new(FaultReason::Panic, "the supervisor's actor failed; please report this");
        self.count_fault(&Arc::new(fault.clone()));
        self.died_at = Some(Instant::now());
        self.on(myself, Event::Fault { fault: &fault, random: random() });
    }

    pub(super) fn restart(&mut self, myself: &ActorRef<SupervisorMsg>, by_hand: bool) {
        let reason = if by_hand { "manual" } else { "reload" };
        self.tell(EventKind::Restarting, reason, "");
        let serves = self.machine.is_ready() || self.machine.retiring() == Some(Retire::Evict);
        if !by_hand && serves {
            self.args.route.memory_lost(Loss::Reload);
        }
        self.on(myself, Event::Restart { by_hand });
        let follows = self.launch.is_some() || self.machine.retiring() == Some(Retire::Restart);
        self.ordered = follows.then_some(reason);
    }

    /// What does not end in order is killed early enough to be gone by the deadline.
    pub(super) fn drain(&mut self, myself: &ActorRef<SupervisorMsg>, deadline: Instant) {
        let by = deadline.checked_sub(SWEEP).unwrap_or(deadline);
        self.drain_by = Some(by);
        self.timers.drain = Some(Timer::at(by, myself.clone(), SupervisorMsg::DrainLate));
        self.on(myself, Event::Drain);
    }

    /// The open transport is used by the next launch, which begins now.
    pub(super) fn set(&mut self, myself: &ActorRef<SupervisorMsg>, transport: OpenTransport) {
        self.args.transport = Some(transport);
        self.on(myself, Event::Replace);
    }
}
