//! Between the client's lines and the service: decides where a message goes, and under which id.
//!
//! ```text
//! line -> legacy: the session's link     (session)      answers, and what the server says -> line
//!      └> modern: a link without session (stateless)
//! ```
//! Nothing here waits: links have their own tasks, which report to the loop that owns this.

mod reaching;

use std::time::Duration;

use bytes::Bytes;
use mcpvisor_actors::message::{self, Envelope, Kind};
use mcpvisor_actors::{Era, Inbound, PostFailure, Upstream, classify};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::place::Place;
use super::requests::{For, Request, Requests};
use super::session::Session;
use super::stateless::{Stateless, is_modern};
use super::stdio::Output;
use super::wording;
use crate::app::Failure;

/// A service that refuses for a while is asked again this soon, whatever it says: it may be another by then.
const BUSY: Duration = Duration::from_secs(1);

/// A report, and the number of the link that it is of.
pub(super) type Report = (u64, Upstream);

/// See the module.
pub(super) struct Bridge {
    pub(super) place: Place,
    key: Option<String>,
    pub(super) out: Output,
    reports: UnboundedSender<Report>,
    links: u64,
    pub(super) requests: Requests,
    pub(super) session: Session,
    pub(super) stateless: Stateless,
    /// The service has answered anything at all.
    reached: bool,
    /// Why there is nothing more to be done.
    pub(super) failure: Option<Failure>,
}

impl Bridge {
    pub(super) fn new(
        place: Place,
        key: Option<String>,
        out: Output,
        reports: UnboundedSender<Report>,
    ) -> Self {
        let (session, stateless) = (Session::default(), Stateless::default());
        let requests = Requests::default();
        Self {
            place,
            key,
            out,
            reports,
            links: 0,
            requests,
            session,
            stateless,
            reached: false,
            failure: None,
        }
    }

    /// Takes a line of the client.
    pub(super) fn line(&mut self, line: Bytes) {
        match classify(line.clone()) {
            Inbound::One(message) => self.message(message),
            Inbound::Many(messages) => messages.into_iter().for_each(|message| self.message(message)),
            Inbound::Noise | Inbound::Broken(_) => {
                let why = Envelope::parse(line).map_or_else(|error| error.to_string(), |_| String::new());
                self.out.say(wording::unreadable(&why), None);
            }
        }
    }

    fn message(&mut self, message: Envelope) {
        let modern = is_modern(&message);
        match message.kind() {
            Kind::Request => {
                let era = if modern { Era::Modern } else { Era::Legacy };
                if let Err(error) = message::client_id(&message) {
                    let id = message.id().unwrap_or(b"null");
                    return self.out.say(wording::invalid(id, &error.to_string()), None);
                }
                if era == Era::Legacy && message.method() == Some("initialize") {
                    self.begin_session(&message);
                }
                let Some(wire) = self.requests.add(message.clone(), era, For::Client) else {
                    let id = message.id().unwrap_or(b"null");
                    return self.out.say(wording::invalid(id, "this id is in flight already"), None);
                };
                self.send(wire);
            }
            Kind::Notification if message.method() == Some("notifications/cancelled") => {
                self.cancel(&message)
            }
            Kind::Notification if modern => self.notify_without_session(message),
            Kind::Notification => self.notify(message),
            Kind::Result | Kind::Error => self.respond(&message),
        }
    }

    /// Sends a request, now or as soon as it can be.
    pub(super) fn send(&mut self, wire: u64) {
        let Some(request) = self.requests.get(wire) else { return };
        let frame = request.message.with_id(wire.to_string().as_bytes());
        match request.era {
            Era::Legacy => self.send_in_session(wire, frame),
            Era::Modern => self.send_without_session(wire, frame),
        }
    }

    fn cancel(&mut self, message: &Envelope) {
        let Some(part) = message::cancelled_request_id(message) else { return };
        let Some(wire) = self.requests.find(part) else { return };
        let notice = message.with_part(part, wire.to_string().as_bytes());
        let Some(request) = self.requests.get_mut(wire) else { return };
        match (request.era, request.sent) {
            // In this era the end of its stream takes a request back.
            (Era::Modern, _) => {
                self.requests.remove(wire);
                self.stateless.abort(wire);
            }
            (Era::Legacy, true) => {
                request.cancelled = Some(None);
                self.post_in_session(notice);
            }
            // It must not overtake its request.
            (Era::Legacy, false) => request.cancelled = Some(Some(notice)),
        }
    }

    /// Takes a report of a link.
    pub(super) fn report(&mut self, (link, report): Report) {
        let era = match link {
            link if self.session.is(link) => Era::Legacy,
            link if self.stateless.is(link) => Era::Modern,
            _ => return, // of one that was given up
        };
        match report {
            Upstream::Frame { wire, bytes, permit } => {
                self.reached = true;
                self.frame(era, wire, bytes, permit);
            }
            Upstream::Sent { wire } => self.sent(wire),
            Upstream::PostFailed { wire: Some(wire), failure } => self.post_failed(era, wire, failure),
            Upstream::PostFailed { wire: None, failure: PostFailure::NotSent { cause } }
                if era == Era::Legacy =>
            {
                self.lose_session(&cause);
            }
            Upstream::PostFailed { wire: None, failure } => {
                tracing::debug!(%failure, "a notice was not taken")
            }
            Upstream::SessionLost { wire } => {
                if let Some(wire) = wire {
                    self.requests.hold(wire, Instant::now(), None);
                }
                self.lose_session("it no longer knows the session");
            }
            Upstream::StreamEnded { failure } => self.lose_session(&failure.to_string()),
            Upstream::StreamFailed { times, cause } => self.stream_failed(times, &cause),
        }
    }

    fn sent(&mut self, wire: u64) {
        let Some(request) = self.requests.get_mut(wire) else { return };
        request.sent = true;
        if let Some(notice) = request.cancelled.as_mut().and_then(Option::take) {
            self.post_in_session(notice);
        }
    }

    fn post_failed(&mut self, era: Era, wire: u64, failure: PostFailure) {
        let now = Instant::now();
        match &failure {
            PostFailure::NotSent { cause } if !self.reached => return self.never_reached(cause),
            PostFailure::NotSent { cause } => {
                if era == Era::Legacy {
                    self.requests.hold(wire, now, self.patience());
                    return self.lose_session(cause);
                }
                self.requests.hold(wire, now, Some(BUSY));
                return self.forget_address();
            }
            // Refused before anything was done about it.
            PostFailure::Status { code: 429 | 503, retry_after, .. } => {
                self.reached = true;
                let wait = retry_after.unwrap_or(BUSY).min(BUSY);
                if self.requests.get(wire).is_some_and(|one| one.answers == For::Session) {
                    return self.session_refused(wire, &failure.to_string());
                }
                return self.requests.hold(wire, now, Some(wait));
            }
            PostFailure::Status { code: 401, .. } => {
                self.reached = true;
                complain(&format!("{} wants credentials: {}", self.place.name, wording::KEY_HINT));
            }
            _ => self.reached = true,
        }
        let Some(request) = self.requests.get(wire) else { return };
        match request.answers {
            For::Session => self.session_refused(wire, &failure.to_string()),
            For::Client | For::Nobody => {
                let answer = wording::failed(request.id(), &self.place.name, &failure);
                self.not_greeted(wire);
                self.finish(wire, answer, None);
                self.flush();
            }
        }
    }

    fn frame(&mut self, era: Era, via: Option<u64>, bytes: Bytes, permit: Option<OwnedSemaphorePermit>) {
        let mut permit = permit;
        let messages = match classify(bytes) {
            Inbound::One(message) => vec![message],
            Inbound::Many(messages) => messages,
            Inbound::Noise | Inbound::Broken(_) => return tracing::debug!(?via, "no message"),
        };
        for message in messages {
            match message.kind() {
                Kind::Result | Kind::Error => {
                    if let Some(wire) = message.wire_id() {
                        self.answered(wire, &message, permit.take());
                    }
                }
                _ if era == Era::Modern => self.said_without_session(&message, permit.take()),
                _ => self.said_in_session(&message, permit.take()),
            }
        }
    }

    fn answered(&mut self, wire: u64, message: &Envelope, permit: Option<OwnedSemaphorePermit>) {
        let Some(request) = self.requests.get(wire) else { return };
        match (request.answers, request.era) {
            (For::Session, _) => self.session_answered(wire, message),
            (For::Nobody, _) => drop(self.requests.remove(wire)),
            (For::Client, Era::Modern) => self.answered_without_session(wire, message, permit),
            (For::Client, Era::Legacy) => {
                let answer = message.with_id(request.id());
                self.note_answer(wire, message);
                self.finish(wire, answer, permit);
            }
        }
    }

    /// The request is over; the client is told if it still wants to know.
    pub(super) fn finish(&mut self, wire: u64, answer: Bytes, permit: Option<OwnedSemaphorePermit>) {
        if self.requests.remove(wire).is_some_and(|request| request.is_wanted()) {
            self.out.say(answer, permit);
        }
    }

    /// The client says nothing more. What only ends with it ends now.
    pub(super) fn client_is_done(&mut self) {
        for wire in self.requests.that(Request::listens) {
            self.requests.remove(wire);
            self.stateless.abort(wire);
        }
    }

    /// Whether the client waits for nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.that(Request::is_wanted).is_empty()
    }

    /// Ends the session and everything else; what was to be said is said.
    pub(super) async fn close(self, within: Duration) {
        let links = [self.session.into_link(), self.stateless.into_link()];
        let closing = links.into_iter().flatten().map(|link| link.close(within));
        futures_util::future::join_all(closing).await;
        self.out.finish().await;
    }

    /// Whether the service has ever answered.
    pub(super) fn was_reached(&self) -> bool {
        self.reached
    }
}

/// Says something on standard error, which clients show or keep. Never a key, never a message.
pub(super) fn complain(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "mcpvisor connect: {text}");
}
