//! Orders from the janitor and the embedding program.

use ractor::ActorRef;

use super::machine::Event;
use super::{SupervisorMsg, SupervisorState};
use crate::link::duplex::OpenTransport;
use crate::metadata::Phase;
use tokio::time::Instant;

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

    /// The open transport is used by the next launch, which begins now.
    pub(super) fn set(&mut self, myself: &ActorRef<SupervisorMsg>, transport: OpenTransport) {
        self.args.transport = Some(transport);
        self.on(myself, Event::Replace);
    }
}
