//! What a front needs for clients without sessions (2026-07-28).

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Launcher;
use crate::credentials::Credentials;
use crate::era::Era;
use crate::error::{EndCause, Refusal};
use crate::key::ConnectionKey;
use crate::registry::{RegistryMsg, configured};
use crate::route::{Route, SessionSink};
use crate::session_record::SessionRecord;

impl Launcher {
    /// How the backend is spoken to for a client of the modern era: as configured, else as it has answered the one time that
    /// it was asked (`timeouts.probe`). Waits for that at most `timeouts.launch`; a backend that is not known by then is
    /// spoken to as one of the legacy era. `credentials`: of the client, if the backend is to see them.
    pub async fn era(&self, backend: &str, credentials: Option<Credentials>) -> Result<Era, Refusal> {
        let known = configured(self.backend(backend)?.protocol).or_else(|| self.shared.eras.of(backend));
        if let Some(spoken) = known {
            return Ok(spoken.to(Era::Modern));
        }
        let (reply, spoken) = oneshot::channel();
        let message = RegistryMsg::Era { backend: backend.into(), credentials, reply };
        let asked = self.shared.address.send_to_next(message).await;
        let spoken = if asked.is_ok() { spoken.await.ok() } else { None };
        Ok(spoken.map_or(Era::Legacy, |spoken| spoken.to(Era::Modern)))
    }

    /// Ends the connection behind a key that was made by [`ConnectionKey::sessionless`]; there is nobody who needs it again.
    pub fn end_sessionless(&self, key: &ConnectionKey) {
        if key.is_sessionless() {
            let end = RegistryMsg::End { key: key.clone(), cause: EndCause::Delete, done: None };
            let _ = self.shared.address.send(end);
        }
    }

    /// How the backend behind a key that was made by [`ConnectionKey::sessionless`] has answered its greeting, once it has.
    pub fn greeting(&self, key: &ConnectionKey) -> Option<bytes::Bytes> {
        let answer = self.shared.hosts.common(key)?.record().first_result.clone();
        (!answer.is_empty()).then_some(answer)
    }

    /// How the backend behind such a key was greeted, or is to be, if somebody has asked for it before.
    pub fn opening(&self, key: &ConnectionKey) -> Option<bytes::Bytes> {
        Some(self.shared.hosts.common(key)?.record().initialize.clone())
    }

    /// The way of one request of a client without a session. `record` says in which era the backend is spoken to and how it
    /// is greeted; the first one of a key decides.
    pub fn guest(&self, key: ConnectionKey, record: Arc<SessionRecord>) -> Result<Route, Refusal> {
        self.visitor(key, record, None)
    }

    /// The way of a client without a session that hears what the backend says to all. To be ended by [`Route::end`].
    pub fn listener(
        &self,
        key: ConnectionKey,
        record: Arc<SessionRecord>,
        sink: Box<dyn SessionSink>,
    ) -> Result<Route, Refusal> {
        self.visitor(key, record, Some(sink))
    }

    fn visitor(
        &self,
        key: ConnectionKey,
        record: Arc<SessionRecord>,
        sink: Option<Box<dyn SessionSink>>,
    ) -> Result<Route, Refusal> {
        let settings = self.settings(&key.backend_id)?;
        let host = self.shared.hosts.common(&key);
        Ok(Route::guest(key, self.shared.address.clone(), record, sink, host.as_ref(), settings))
    }
}
