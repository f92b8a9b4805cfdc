//! Other settings for an incarnation that is there.

use std::sync::Arc;

use mcpvisor_config::Backend;

use super::ConnectionState;

impl ConnectionState {
    /// From now on these hold, but for what a transport is opened with.
    pub(super) fn configure(&mut self, backend: Arc<Backend>, expose_stderr: bool) {
        self.liveness.configure(&backend);
        if let Some(link) = &mut self.link {
            link.configure(&backend.timeouts);
        }
        (self.backend, self.expose_stderr) = (backend, expose_stderr);
        // Heartbeats may be due earlier, and more may be in flight.
        if let Some(due) = self.liveness.due().filter(|_| !self.in_flight.is_empty()) {
            self.wake_at(due);
        }
        self.advance();
    }
}
