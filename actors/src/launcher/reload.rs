//! Another configuration for a running tree.

use std::sync::Arc;

use mcpvisor_config::Config;
use thiserror::Error;
use tokio::sync::oneshot;

use super::Launcher;
use crate::registry::Reloaded;
use crate::root::RootMsg;

/// Why a tree kept the configuration that it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReloadRefused {
    /// It has been told to drain, or is gone.
    #[error("the service is ending")]
    Ending,
}

impl Launcher {
    /// From now on `config` holds. Connections of backends that are the same go on, untouched; those of changed ones are
    /// replaced where a process cannot be changed, once what is in flight is done or `gateway.drain_timeout` is over,
    /// and their sessions go on; those of backends that are gone end, likewise, and their sessions with them
    /// (`removed`). New backends are served at once. What is asked once this has returned finds it so.
    /// Reloads that come at the same time follow each other.
    ///
    /// # Errors
    /// The tree drains; nothing has changed then.
    pub async fn reload(&self, config: impl Into<Arc<Config>>) -> Result<Reloaded, ReloadRefused> {
        let (reply, reloaded) = oneshot::channel();
        let message = RootMsg::Reload { config: config.into(), reply };
        self.shared.root.send_message(message).map_err(|_| ReloadRefused::Ending)?;
        reloaded.await.ok().flatten().ok_or(ReloadRefused::Ending)
    }
}
