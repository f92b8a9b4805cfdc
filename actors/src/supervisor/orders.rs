//! Orders from the janitor and the embedding program.

use std::time::Duration;

use ractor::ActorRef;
use tokio::time::Instant;

use super::machine::Event;
use super::{SupervisorMsg, SupervisorState};
use crate::link::duplex::OpenTransport;
use crate::metadata::Phase;
use crate::timer::Timer;

/// The end of a killed process is seen, and what it started is swept, within this time.
const SWEEP: Duration = Duration::from_millis(500);

impl SupervisorState {
    /// The janitor decided on a copy; a request may have come since.
    pub(super) fn evict(&mut self, myself: &ActorRef<SupervisorMsg>) {
        let usage = &self.args.route.place().usage;
        let busy = usage.in_flight() + usage.queued() + self.room.requests() > 0 || !self.attached.is_empty();
        let idle_for = Instant::now().saturating_duration_since(usage.last_used());
        if busy || idle_for < self.args.backend.pool.idle_timeout {
            return;
        }
        // A Connection has the last word on its own eviction, and counts it.
        if self.machine.phase() == Phase::BackingOff {
            self.args.metrics.evicted();
            self.log("connection.evicted", "idle");
        }
        self.on(myself, Event::Evict);
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
