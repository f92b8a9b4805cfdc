//! A restart that a counted fault has made due, and that has not begun yet.
//!
//! Every counted fault ends in exactly one of: a restart begun, a stop, a restart abandoned, a key that is still
//! backing off. Operators add these up, so none may be forgotten, whatever becomes of the Supervisor.

use super::SupervisorState;
use super::machine::Retire;
use crate::fault::FaultReason;
use crate::metrics::BackendMetrics;

/// Dropped before it has begun or come to a stop, it counts as abandoned.
pub(super) struct OwedRestart {
    reason: FaultReason,
    metrics: Option<BackendMetrics>,
    abandoned: &'static str,
}

impl OwedRestart {
    pub(super) fn new(reason: FaultReason, metrics: BackendMetrics) -> Self {
        Self { reason, metrics: Some(metrics), abandoned: "superseded" }
    }

    /// The relaunch begins.
    pub(super) fn begun(mut self) {
        if let Some(metrics) = self.metrics.take() {
            metrics.restarted(self.reason.as_str());
        }
    }

    /// A stop is counted in its place.
    pub(super) fn stopped(mut self) {
        self.metrics = None;
    }

    /// Nobody wants it any more; `why` is of the closed set of `mcpvisor_restarts_abandoned_total`.
    pub(super) fn abandoned(mut self, why: &'static str) {
        self.abandoned = why;
    }
}

impl SupervisorState {
    /// The key ends before its restart has begun.
    pub(super) fn abandon_restart(&mut self) {
        let Some(owed) = self.owed.take() else { return };
        owed.abandoned(match self.machine.retiring() {
            _ if !self.machine.is_established() => "never_initialised",
            Some(Retire::Drain) => "drain",
            Some(Retire::Delete(_)) => "delete",
            Some(Retire::Evict) => "evict",
            _ => "superseded",
        });
    }
}

impl Drop for OwedRestart {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.abandoned(self.abandoned);
        }
    }
}
