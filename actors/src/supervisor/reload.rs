//! Other settings for a key that is there.

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::Backend;

use super::SupervisorState;
use crate::connection::{ConnectionMsg, own_initialize};

/// What the configuration says of a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Configured {
    pub(crate) backend: Arc<Backend>,
    /// Whether the configuration says how to launch it.
    pub(crate) launchable: bool,
    pub(crate) expose_stderr: bool,
    /// How long requests in flight may finish before a restart by hand or by reload, or the stop or the end of the backend.
    pub(crate) drain_timeout: Duration,
}

impl SupervisorState {
    /// From now on this holds. The connection of now is told too; whether it will do is for others to say.
    pub(super) fn configure(&mut self, configured: Configured) {
        let backend = &configured.backend;
        self.machine.configure(backend.pool, backend.backoff);
        self.room.configure(backend.limits.max_queued);
        if self.args.route.is_own() {
            // Sent by the next incarnation.
            let initialize = own_initialize(backend);
            self.args.route.update_record(|record| record.initialize.clone_from(&initialize));
        }
        if let Some(current) = &self.current {
            let message = ConnectionMsg::Configure {
                backend: backend.clone(),
                expose_stderr: configured.expose_stderr,
            };
            let _ = current.connection.send_message(message);
        }
        self.args.configured = configured;
        self.publish();
    }
}
