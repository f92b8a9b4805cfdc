//! What the library's callers use of a connection.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use crate::error::Refusal;
use crate::key::ConnectionKey;
use crate::link::stderr::StderrHistory;
use crate::message::{self, Envelope};
use crate::pending::Exchange;
use crate::route::Route;

/// Sends requests to one supervised connection. Stays valid over restarts; a copy is the same connection.
#[derive(Clone)]
pub struct ConnectionHandle {
    route: Route,
}

impl ConnectionHandle {
    pub(crate) fn new(route: Route) -> Self {
        Self { route }
    }

    /// The connection's key.
    pub fn key(&self) -> &ConnectionKey {
        self.route.key()
    }

    /// Sends `method` with `params` and waits for the whole answer: a JSON-RPC message with a result or
    /// an error of the backend, byte for byte. Errors of mcpvisor's own come as [`Refusal`].
    pub async fn request(&self, method: &str, params: &impl Serialize) -> Result<Bytes, Refusal> {
        let invalid = |what: &dyn fmt::Display| Refusal::Invalid { code: -32600, message: what.to_string() };
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| invalid(&error))?;
        let bytes = message::request(u64::from_le_bytes(random) >> 11, method, params);
        let envelope = Envelope::parse(bytes).map_err(|error| invalid(&error))?;
        match self.route.request(envelope).await {
            Ok(Exchange::Answer(answer)) => answer,
            Ok(Exchange::Stream(mut stream)) => {
                while stream.preceding.recv().await.is_some() {}
                stream.answer.await.unwrap_or_else(|_| Err(self.lost()))
            }
            Err(_) => Err(self.lost()),
        }
    }

    /// Sends a notification.
    pub fn notify(&self, method: &str, params: Option<serde_json::Value>) {
        if let Ok(envelope) = Envelope::parse(message::notification(method, params)) {
            self.route.notify(envelope);
        }
    }

    /// What its processes have written to standard error, now and with each that follows. Empty for an upstream.
    pub fn stderr(&self) -> watch::Receiver<StderrHistory> {
        self.route.place().stderr.subscribe()
    }

    #[cfg(test)]
    pub(crate) fn route(&self) -> &Route {
        &self.route
    }

    fn lost(&self) -> Refusal {
        Refusal::ShuttingDown { backend: self.key().backend_id.clone(), close: true }
    }
}

impl fmt::Debug for ConnectionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionHandle").field(self.key()).finish()
    }
}
