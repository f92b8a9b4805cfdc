//! What an operator may do to a running tree.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Launcher;
use crate::registry::{BackendState, Order, RegistryMsg};

impl Launcher {
    /// Gives the backend's connections, or the one of the session with this hash, another incarnation each:
    /// requests in flight get `gateway.drain_timeout`, the rest waits. Not counted as errors. Takes an
    /// operator's stop back, and closes the breaker. What is asked once this has returned is not for the incarnations of
    /// before. How many connections that reached; `None`: no such backend, or no such session.
    pub async fn restart(&self, backend: &str, session: Option<&str>) -> Option<usize> {
        self.operate(Order::Restart, backend, session).await
    }

    /// Retires the backend's connections and launches none until [`Launcher::start_backend`] or
    /// [`Launcher::restart`]; sessions live on, their requests are refused: all of them, once this has returned. `None`:
    /// no such backend.
    pub async fn stop_backend(&self, backend: &str) -> Option<usize> {
        self.operate(Order::Stop, backend, None).await
    }

    /// Takes a stop back: the next request launches. `None`: no such backend.
    pub async fn start_backend(&self, backend: &str) -> Option<usize> {
        self.operate(Order::Start, backend, None).await
    }

    /// Ends the session with this hash ([`ConnectionKey::session_hash`](crate::ConnectionKey::session_hash)).
    /// `None`: it has no connection.
    pub async fn end_session(&self, backend: &str, session: &str) -> Option<usize> {
        self.operate(Order::End, backend, Some(session)).await
    }

    /// How every backend stands, sorted by name. Empty while the Registry is replaced.
    pub async fn backends(&self) -> Vec<BackendState> {
        let (reply, list) = oneshot::channel();
        let asked = self.address().send(RegistryMsg::Backends { reply });
        if asked.is_ok() { list.await.unwrap_or_default() } else { Vec::new() }
    }

    async fn operate(&self, order: Order, backend: &str, session: Option<&str>) -> Option<usize> {
        let (reply, reached) = oneshot::channel();
        let (backend, session) = (Arc::from(backend), session.map(str::to_owned));
        let message = RegistryMsg::Operate { order, backend, session, reply };
        self.address().send_to_next(message).await.ok()?;
        Some(reached.await.ok()??.taken().await)
    }
}
