//! The end of the service: no new work, and everything that lives is retired.

use std::sync::Arc;

use tokio::time::Instant;

use super::{RegistryMsg, RegistryState, SpareMsg, tell};
use crate::error::Refusal;
use crate::key::ConnectionKey;
use crate::root::RootMsg;
use crate::supervisor::{SWEEP, SupervisorMsg};
use crate::timer::Timer;

/// What is known of it.
pub(super) struct Drain {
    /// The service was told to close.
    close: bool,
    /// For spares that do not end in order.
    _late: Timer,
}

impl RegistryState {
    pub(super) fn drain(&mut self, deadline: Instant, close: bool) {
        let by = deadline.checked_sub(SWEEP).unwrap_or(deadline);
        let late = Timer::at(by, self.myself.clone(), RegistryMsg::Spare(SpareMsg::DrainLate));
        self.draining = Some(Drain { close, _late: late });
        for entry in self.entries.values() {
            tell(&entry.supervisor, SupervisorMsg::Drain { deadline });
        }
        self.probes.end();
        let backends: Vec<Arc<str>> = self.backends.keys().cloned().collect();
        backends.iter().for_each(|backend| self.end_spares(backend, "drain"));
        self.report_empty();
    }

    pub(super) fn report_empty(&self) {
        if self.draining.is_some()
            && self.entries.is_empty()
            && let Some(root) = &self.args.root
        {
            let _ = root.send_message(RootMsg::Empty);
        }
    }

    pub(super) fn shutting_down(&self, key: &ConnectionKey) -> Refusal {
        let close = self.draining.as_ref().is_none_or(|drain| drain.close);
        Refusal::ShuttingDown { backend: key.backend_id.clone(), close }
    }
}
