//! `initialize`: the beginning of a session.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use mcpvisor_actors::message::Envelope;
use mcpvisor_actors::{EndCause, Overload, Refusal, SessionRecord};

use super::admission::{Full, Held, SESSIONS_RETRY};
use super::body::{self, HttpResponse};
use super::inbound::{self, Inbound, SESSION_HEADER};
use super::measure::Operation;
use super::rejection::{INTERNAL_ERROR, Rejection};
use super::session::{Mailbox, Room, Session, SessionMsg, Sessions, Sink, Way};
use super::unified;
use super::version::Version;
use crate::telemetry::traces::RequestTrace;

/// What became of an `initialize`.
pub(crate) struct Opened {
    /// The answer, with the client's id.
    pub(crate) answer: Bytes,
    /// `None`: it is an error.
    pub(crate) session: Option<Arc<Session>>,
}

/// Launches the backend for a new session and answers with what it says. A session id that the client
/// may still have is no obstacle: a client that starts anew must always be able to.
pub(crate) async fn initialize(inbound: Inbound<'_>, message: Envelope) -> Result<HttpResponse, Rejection> {
    let opened = open(&inbound, &message).await?;
    let mut response = body::json(StatusCode::OK, opened.answer);
    if let Some(session) = opened.session {
        let id = message.id().unwrap_or(b"null");
        let name = HeaderValue::from_str(session.id()).map_err(|_| internal(id))?;
        response.headers_mut().insert(SESSION_HEADER, name);
    }
    Ok(response)
}

/// The same, however the client is answered.
pub(crate) async fn open(inbound: &Inbound<'_>, message: &Envelope) -> Result<Opened, Rejection> {
    let id = message.id_bytes().unwrap_or_default();
    if let Some(set) = inbound.set.clone() {
        return unified::initialize(inbound, &set, message, &id).await;
    }
    let mut operation = Operation::begin(&inbound.face, Some("initialize"), Version::Other);
    let mut route = None;
    let opening = Opening::begin(inbound, Some(&id), |name, mailbox| {
        let record = SessionRecord::new(&*inbound.caller.principal, message.bytes().clone());
        let record = record.with_credentials(message.credentials().cloned());
        let sink = Box::new(Sink(mailbox.clone()));
        let own = inbound.front.launcher.route(&inbound.face.name, name, record, sink)?;
        Ok(Way::One(route.insert(own).clone()))
    });
    let opening = opening.await?;
    let Some(route) = route else { return Err(internal(&id)) };
    // What the client opens with is replayed as it is for as long as its session lasts: it names no request.
    let (_, trace) = RequestTrace::begin(message.clone(), route.key(), Version::Other.as_str(), None);
    operation = operation.traced(trace);
    let (answer, accepted) = match route.attach().await {
        Ok(attached) => {
            let answer = Envelope::parse(attached.answer.clone()).map(|answer| answer.with_id(&id));
            (answer.unwrap_or(attached.answer), attached.accepted)
        }
        Err(refusal) => {
            operation.finish(Some(&Err(refusal.clone())));
            if refusal.challenge().is_some() {
                return Err(Rejection::refused(Some(&id), StatusCode::OK, &refusal));
            }
            if let Refusal::Overloaded { what, retry_after, .. } = refusal {
                let rejection = Rejection::refused(Some(&id), inbound::status(what), &refusal);
                return Err(rejection.retry_after(retry_after));
            }
            return Ok(Opened { answer: refusal.to_message(Some(&id)), session: None });
        }
    };
    let session = accepted.then(|| opening.session.clone());
    if accepted {
        let version = route.record().protocol_version();
        operation.speaks(opening.accept(&version.unwrap_or_default()));
    }
    operation.finish(Some(&Ok(answer.clone())));
    Ok(Opened { answer, session })
}

/// A session that is being made. Dropped before it was accepted (an error, or a client that has gone),
/// it leaves nothing behind.
pub(crate) struct Opening<'a> {
    sessions: &'a Sessions,
    pub(crate) session: Arc<Session>,
    /// Given away once the session is accepted.
    room: Option<Room>,
    counted: Option<Held>,
}

impl<'a> Opening<'a> {
    /// One whose requests go the way that is made for it, by its id and its mailbox. `id`: of the request, raw JSON.
    pub(crate) async fn begin(
        inbound: &Inbound<'a>,
        id: Option<&[u8]>,
        way: impl FnOnce(&Arc<str>, &Arc<Mailbox>) -> Result<Way, Refusal>,
    ) -> Result<Self, Rejection> {
        let sessions = &inbound.front.sessions;
        let counted = Some(inbound.admit_session(id)?);
        let full = || Full::of(Overload::Sessions, sessions.table().max(), SESSIONS_RETRY);
        let room = sessions.table().room().ok_or_else(|| inbound.full(id, full()))?;
        let name: Arc<str> = random_id().ok_or_else(|| internal(id.unwrap_or(b"null")))?.into();
        let mailbox = Arc::new(Mailbox::default());
        let way = way(&name, &mailbox);
        let way = way.map_err(|refusal| Rejection::refused(id, StatusCode::NOT_FOUND, &refusal))?;
        let (principal, face) = (inbound.caller.principal.clone(), inbound.face.clone());
        let session = Arc::new(Session::new(name, principal, face, way, mailbox));
        let opening = Self { sessions, session: session.clone(), room: Some(room), counted };
        if !sessions.spawn(session).await {
            return Err(internal(id.unwrap_or(b"null")));
        }
        Ok(opening)
    }

    /// The session is there from now on; returns the revision that it speaks.
    pub(crate) fn accept(mut self, version: &str) -> Version {
        self.session.negotiate(version);
        self.session.touch();
        if let Some(room) = self.room.take() {
            self.session.count(self.counted.take());
            self.sessions.table().insert(self.session.clone(), room);
        }
        // Its backend may have ended it again before there was anything in the table to take out.
        if let Some(cause) = self.session.ended() {
            self.sessions.end(&self.session, cause);
        }
        self.session.version()
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if self.room.is_some() {
            self.session.let_go(EndCause::Delete);
            self.session.send(SessionMsg::End);
        }
    }
}

/// 160 random bits: the id of a session is the key to it.
pub(crate) fn random_id() -> Option<String> {
    use std::fmt::Write;
    let mut bytes = [0u8; 20];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(40), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

pub(crate) fn internal(id: &[u8]) -> Rejection {
    let text = "the session could not be made; please report this";
    Rejection::answering(Some(id), StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_cannot_be_guessed_and_fits_a_header() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 40);
        assert!(one.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
