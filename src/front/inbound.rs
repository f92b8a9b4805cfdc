//! A request to a backend that has passed the gate: who asks, what of, with which headers.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode, header};
use mcpvisor_actors::message::Envelope;
use mcpvisor_actors::{Credentials, Overload, Refusal};

use super::Front;
use super::admission::{Full, Held};
use super::face::Face;
use super::measure::{FOREIGN_SESSION, count_auth_failure, count_refusal};
use super::rejection::Rejection;
use super::session::Session;
use super::unified::Part;
use super::version::unknown_version;
use crate::auth::Caller;

/// Names the session of a request.
pub(crate) const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");

/// See the module.
pub(crate) struct Inbound<'a> {
    pub(crate) front: &'a Arc<Front>,
    pub(crate) face: Arc<Face>,
    /// Several backends as one; `face` is then theirs together.
    pub(crate) set: Option<Part>,
    pub(crate) caller: Caller,
    pub(crate) headers: &'a HeaderMap,
}

impl Inbound<'_> {
    /// The session that the request names, if it is the principal's and on this backend.
    ///
    /// Whatever is wrong with the session, the client is told the same; `id` is that of the request.
    pub(crate) fn session(&self, id: Option<&[u8]>) -> Result<Arc<Session>, Rejection> {
        let Some(name) = self.headers.get(SESSION_HEADER) else {
            let text =
                "Mcp-Session-Id is missing: send initialize first, then the header that its answer carried";
            return Err(Rejection::invalid(id, text));
        };
        let session = name.to_str().ok().and_then(|name| self.front.sessions.table().get(name));
        let session = session.ok_or_else(Rejection::no_such_session)?;
        self.check_session(&session, id)?;
        Ok(session)
    }

    /// Whether a session can be used for this request, whatever has named it.
    pub(crate) fn check_session(&self, session: &Session, id: Option<&[u8]>) -> Result<(), Rejection> {
        if session.principal() != &*self.caller.principal {
            count_auth_failure(FOREIGN_SESSION);
            return Err(Rejection::no_such_session());
        }
        if session.face().name != self.face.name {
            return Err(Rejection::no_such_session());
        }
        if let Some(cause) = session.ended() {
            // Whoever ended it tells the session as well, but a client may be faster.
            self.front.sessions.end(session, cause);
            return Err(Rejection::no_such_session());
        }
        self.check_version(session, id)?;
        if let Some(credentials) = self.credentials() {
            session.present(&credentials);
        }
        session.touch();
        Ok(())
    }

    /// What the backend is to be shown of the client's; `None`: nothing, as for nearly all of them.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let sees = self.face.settings().sees_credentials;
        sees.then(|| Credentials::new(self.headers.get(header::AUTHORIZATION).cloned()))
    }

    /// A message of the client, with that.
    pub(crate) fn in_its_name(&self, message: Envelope) -> Envelope {
        match self.credentials() {
            None => message,
            credentials => message.with_credentials(credentials),
        }
    }

    /// Refuses what would be new work, once the service is ending.
    pub(crate) fn check_draining(&self, id: Option<&[u8]>) -> Result<(), Rejection> {
        let Some(close) = self.front.draining() else { return Ok(()) };
        let refusal = Refusal::ShuttingDown { backend: self.face.name.clone(), close };
        count_refusal(&self.face, &refusal);
        let rejection = Rejection::refused(id, StatusCode::SERVICE_UNAVAILABLE, &refusal);
        Err(rejection.retry_after(self.front.launcher.config().gateway.drain_timeout))
    }

    /// Lets a request in, for as long as what is returned is held; `None`: nothing counts it.
    pub(crate) fn admit(&self, id: Option<&[u8]>) -> Result<Option<Held>, Rejection> {
        let held =
            self.front.admission.request(&self.caller.principal).map_err(|full| self.full(id, full))?;
        self.check_rate(id)?;
        Ok(held)
    }

    /// Whether the principal may ask the backend once more in this time. Several as one have each their own rate.
    pub(crate) fn check_rate(&self, id: Option<&[u8]>) -> Result<(), Rejection> {
        self.face.check_rate(&self.caller.principal).map_err(|full| self.full(id, full))
    }

    /// Lets a stream be opened that belongs to no request, for as long as what is returned is held.
    pub(crate) fn admit_stream(&self, id: Option<&[u8]>) -> Result<Held, Rejection> {
        self.front.admission.stream(&self.caller.principal).map_err(|full| self.full(id, full))
    }

    /// Lets the principal, and the backend, have one session more.
    pub(crate) fn admit_session(&self, id: Option<&[u8]>) -> Result<Held, Rejection> {
        self.front.admission.session(&self.caller.principal, &self.face).map_err(|full| self.full(id, full))
    }

    /// A bound is reached: which, its value, and when to come again.
    pub(crate) fn full(&self, id: Option<&[u8]>, full: Full) -> Rejection {
        let refusal = full.refusal(&self.face);
        count_refusal(&self.face, &refusal);
        Rejection::refused(id, status(full.what), &refusal).retry_after(full.retry_after)
    }

    fn check_version(&self, session: &Session, id: Option<&[u8]>) -> Result<(), Rejection> {
        let Some(version) = unknown_version(self.headers, session.version_name()) else { return Ok(()) };
        let version = String::from_utf8_lossy(version);
        let text = format!(
            "MCP-Protocol-Version '{version}' is unknown here: send the one negotiated, '{}'",
            session.version_name()
        );
        Err(Rejection::invalid(id, &text))
    }
}

/// Of a refusal before there is a session: whether the client asks too much, or all together.
pub(crate) fn status(what: Overload) -> StatusCode {
    match what.is_the_clients() {
        true => StatusCode::TOO_MANY_REQUESTS,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}
