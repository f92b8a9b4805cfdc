//! The end of the service: no new work, and everything that lives is retired.

use tokio::time::Instant;

use super::{RegistryState, tell};
use crate::error::Refusal;
use crate::key::ConnectionKey;
use crate::root::RootMsg;
use crate::supervisor::SupervisorMsg;

impl RegistryState {
    pub(super) fn drain(&mut self, deadline: Instant, close: bool) {
        self.draining = Some((deadline, close));
        for entry in self.entries.values() {
            tell(&entry.supervisor, SupervisorMsg::Drain { deadline });
        }
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
        let close = self.draining.is_none_or(|(_, close)| close);
        Refusal::ShuttingDown { backend: key.backend_id.clone(), close }
    }
}
