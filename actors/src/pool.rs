//! The pool of connections, under the names that the field knows.

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::{Config, Pool};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::connection_handle::ConnectionHandle;
use crate::error::{EndCause, Refusal};
use crate::key::ConnectionKey;
use crate::launcher::{Launcher, StartError};
use crate::link::duplex::OpenTransport;
use crate::metadata::ConnectionMetadata;
use crate::registry::RegistryMsg;

/// A connection unused for this long is closed at the next clean-up.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How often the clean-up runs.
pub const DEFAULT_CLEANUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// A connection is stopped once its error count passes this.
pub const DEFAULT_MAX_ERROR_COUNT: u32 = 10;

/// How a pool treats its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// See [`DEFAULT_IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// See [`DEFAULT_CLEANUP_INTERVAL`].
    pub cleanup_interval: Duration,
    /// See [`DEFAULT_MAX_ERROR_COUNT`]; 0 = the first error stops it.
    pub max_error_count: u32,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            cleanup_interval: DEFAULT_CLEANUP_INTERVAL,
            max_error_count: DEFAULT_MAX_ERROR_COUNT,
        }
    }
}

impl From<&Pool> for PoolConfig {
    fn from(pool: &Pool) -> Self {
        Self {
            idle_timeout: pool.idle_timeout,
            cleanup_interval: pool.cleanup_interval,
            max_error_count: pool.max_error_count,
        }
    }
}

/// Supervised connections by (backend, session). A handle: cheap to clone, the same pool.
#[derive(Clone)]
pub struct SessionConnectionPool {
    launcher: Launcher,
}

impl SessionConnectionPool {
    /// A pool of its own, with the defaults and no configured backends: it supervises what [`Self::set`]
    /// puts in. Cancelling the token stops it.
    pub async fn new(cancel: CancellationToken) -> Result<Self, StartError> {
        Self::with_config(PoolConfig::default(), cancel).await
    }

    /// The same, with other settings.
    pub async fn with_config(settings: PoolConfig, cancel: CancellationToken) -> Result<Self, StartError> {
        let loaded = mcpvisor_config::load(mcpvisor_config::LoadRequest::default());
        let mut config = loaded.map_err(|error| StartError::Defaults(error.to_string()))?.config;
        config.pool.idle_timeout = settings.idle_timeout;
        config.pool.cleanup_interval = settings.cleanup_interval;
        config.pool.max_error_count = settings.max_error_count;
        Ok(Self { launcher: Launcher::new(config, cancel).await? })
    }

    pub(crate) fn of(launcher: Launcher) -> Self {
        Self { launcher }
    }

    /// The connection of a key, if there is one. Never launches.
    pub async fn get(&self, backend: &str, session: &str) -> Option<ConnectionHandle> {
        let key = ConnectionKey::new(backend, session);
        let (reply, route) = oneshot::channel();
        self.launcher.address().send(RegistryMsg::Get { key, reply }).ok()?;
        route.await.ok().flatten().map(ConnectionHandle::new)
    }

    /// Puts an open transport under supervision and shakes hands over it. On a live key the old one is
    /// closed first; its creation time stays and its errors are forgotten. When the transport ends, the key
    /// is launched anew if the backend is configured, and stopped if not.
    pub async fn set(
        &self,
        backend: &str,
        session: &str,
        transport: OpenTransport,
    ) -> Result<ConnectionHandle, Refusal> {
        let key = ConnectionKey::new(backend, session);
        let closed = || Refusal::ShuttingDown { backend: backend.into(), close: true };
        let (reply, route) = oneshot::channel();
        if self.launcher.address().send_to_next(RegistryMsg::Set { key, transport, reply }).await.is_err() {
            return Err(closed());
        }
        let route = route.await.unwrap_or_else(|_| Err(closed()))?;
        route.attach().await?;
        Ok(ConnectionHandle::new(route))
    }

    /// Closes and forgets a connection; returns once its processes are gone. False: there was none.
    pub async fn delete(&self, backend: &str, session: &str) -> bool {
        let (done, deleted) = oneshot::channel();
        let key = ConnectionKey::new(backend, session);
        let end = RegistryMsg::End { key, cause: EndCause::Delete, done: Some(done) };
        self.launcher.address().send(end).is_ok() && deleted.await.unwrap_or(false)
    }

    /// What is known of a connection: a copy.
    pub async fn get_metadata(&self, backend: &str, session: &str) -> Option<ConnectionMetadata> {
        let key = ConnectionKey::new(backend, session);
        self.list().await.into_iter().find(|connection| connection.key == key)
    }

    /// Counts an error that was seen outside; past the limit the connection is stopped. The error count
    /// after it, or `None` if there is no such connection.
    pub async fn record_error(&self, backend: &str, session: &str) -> Option<u32> {
        let key = ConnectionKey::new(backend, session);
        let (reply, count) = oneshot::channel();
        self.launcher.address().send(RegistryMsg::RecordError { key, reply }).ok()?;
        count.await.ok().flatten()
    }

    /// What is known of every connection, sorted by key.
    pub async fn list(&self) -> Vec<ConnectionMetadata> {
        self.launcher.list().await
    }

    /// How many connections there are.
    pub async fn size(&self) -> usize {
        self.list().await.len()
    }

    /// Closes every connection and the pool.
    pub async fn stop(&self) {
        self.launcher.close().await;
    }

    /// What it runs on.
    pub fn config(&self) -> Arc<Config> {
        self.launcher.config()
    }
}
