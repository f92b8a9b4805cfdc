//! What happens to a key, told.

use std::time::Duration;

use tokio::time::Instant;

use super::SupervisorState;
use super::machine::Retire;
use crate::event::{EventKind, SupervisionEvent};
use crate::fault::Fault;
use crate::registry::Start;

impl SupervisorState {
    /// With the words of the Connection, or of whoever saw it.
    pub(super) fn tell_lost(&self, fault: &Fault) {
        let event = SupervisionEvent {
            error_count: Some(self.errors() + 1),
            max_error_count: Some(self.args.configured.backend.pool.max_error_count),
            ..self.event(EventKind::Lost, fault.detail.clone())
        };
        self.args.events.emit(event.fault(fault));
    }

    pub(super) fn tell_launch(&self, incarnation: u64, start: Start) {
        let event = SupervisionEvent {
            start: Some(start.as_str()),
            restarts: Some(self.restarts),
            error_count: None,
            ..self.event(EventKind::Launching, "launching")
        };
        self.args.events.emit(event.incarnation(Some(incarnation), None));
    }

    pub(super) fn tell_backoff(&self, until: Instant) {
        let wait = until.saturating_duration_since(Instant::now());
        let text = if wait == Duration::ZERO { "restarting at once" } else { "restarting after a backoff" };
        let backoff = Some(wait);
        self.args.events.emit(SupervisionEvent { backoff, ..self.event(EventKind::BackingOff, text) });
    }

    /// An incarnation that was told to end has done so. An eviction has been told already.
    pub(super) fn tell_drained(&self, cause: Retire) {
        let reason = match cause {
            Retire::Drain => "drain",
            Retire::Delete(cause) => cause.as_str(),
            Retire::Restart => "restart",
            Retire::Stop => "stopped_by_operator",
            Retire::Limit => "max_error_count",
            Retire::Evict => return,
        };
        self.tell(EventKind::Drained, reason, "it ended as it was told to");
    }

    /// A Connection panicked.
    pub(super) fn tell_failed(&self, incarnation: u64, why: &str) {
        let text = format!("a connection failed; please report this: {why}");
        let event = SupervisionEvent::of(EventKind::ActorFailed, self.key(), text).by("connection");
        self.args.events.emit(event.incarnation(Some(incarnation), None));
    }

    pub(super) fn tell(&self, kind: EventKind, reason: &'static str, detail: &str) {
        self.args.events.emit(self.event(kind, detail).because(reason));
    }

    pub(super) fn event(&self, kind: EventKind, detail: impl Into<String>) -> SupervisionEvent {
        let current = self.current.as_ref();
        let (incarnation, pid) =
            (current.map(|current| current.number), current.and_then(|current| current.pid));
        let error_count = Some(self.errors());
        let event = SupervisionEvent { error_count, ..SupervisionEvent::of(kind, self.key(), detail) };
        event.incarnation(incarnation, pid)
    }
}
