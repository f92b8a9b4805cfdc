//! One line for each event of a key, under a name that stays.

use tokio::time::Instant;

use super::SupervisorState;
use crate::fault::Fault;
use crate::registry::Start;

impl SupervisorState {
    pub(super) fn log_lost(&self, fault: &Fault) {
        let key = self.key();
        tracing::warn!(
            event = "connection.lost",
            backend = %key.backend_id,
            session = %key.session_hash(),
            incarnation = self.current.as_ref().map(|current| current.number),
            pid = self.current.as_ref().and_then(|current| current.pid),
            reason = fault.reason.as_str(),
            exit_code = fault.exit_code,
            signal = fault.signal,
            error_count = self.errors() + 1,
            max_error_count = self.args.configured.backend.pool.max_error_count,
            stderr_tail = fault.stderr_tail.as_deref().unwrap_or_default(),
            "{}", fault.detail,
        );
    }

    pub(super) fn log_launch(&self, incarnation: u64, start: Start) {
        let key = self.key();
        tracing::info!(event = "connection.launching", backend = %key.backend_id, session = %key.session_hash(), incarnation, start = start.as_str(), restarts = self.restarts, "launching");
    }

    pub(super) fn log_backoff(&self, until: Instant) {
        let key = self.key();
        let wait = until.saturating_duration_since(Instant::now());
        tracing::info!(event = "connection.backing_off", backend = %key.backend_id, session = %key.session_hash(), wait_ms = wait.as_millis() as u64, error_count = self.errors(), "restarting after a backoff");
    }

    pub(super) fn log(&self, event: &'static str, reason: &'static str) {
        let key = self.key();
        let current = self.current.as_ref();
        tracing::info!(
            event,
            backend = %key.backend_id,
            session = %key.session_hash(),
            incarnation = current.map(|current| current.number),
            pid = current.and_then(|current| current.pid),
            reason,
            error_count = self.errors(),
            "{event}",
        );
    }
}
