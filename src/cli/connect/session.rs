//! The session of a client of the legacy era: its handshake, and the sessions that follow when it is lost.
//!
//! ```text
//! New -> Greeting -> Open <-> Lost     lost: the service is gone, or has forgotten the session
//! ```
//! A session that follows begins with the client's own `initialize`, `initialized`, log level and subscriptions. The client
//! hears that lists may have changed; what was in flight is answered with an error.

mod following;

use std::time::Duration;

use bytes::Bytes;
use mcpvisor_actors::message::{self, Envelope, Kind};
use mcpvisor_actors::{Era, HttpLink, SessionRecord, Stage};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::asked::Asked;
use super::bridge::{Bridge, complain};
use super::requests::{For, Request};
use super::wording;

/// The stream may fail so often in a row before the service counts as lost.
const STREAM_FAILURES: u32 = 3;
/// Before the first attempt to have a new session, doubled with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Where the client's own `initialize` finds no service.
const UNGREETED_WAIT: Duration = Duration::from_millis(250);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Notifications that may wait for the session.
const MAX_NOTICES: usize = 64;

/// See the module.
#[derive(Default)]
pub(super) struct Session {
    link: Option<(u64, HttpLink)>,
    state: State,
    record: SessionRecord,
    asked: Asked,
    notices: Vec<Bytes>,
    attempts: u32,
    retry_at: Option<Instant>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    New,
    /// The client's own `initialize` has no answer yet.
    Greeting,
    Open,
    /// It is to be followed by another.
    Lost,
}

impl Session {
    /// Whether its link has this number.
    pub(super) fn is(&self, link: u64) -> bool {
        self.link.as_ref().is_some_and(|(number, _)| *number == link)
    }

    pub(super) fn is_open(&self) -> bool {
        // Before the handshake the server may refuse for itself.
        matches!(self.state, State::Open | State::New)
    }

    /// When the next attempt is due.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn into_link(self) -> Option<HttpLink> {
        self.link.map(|(_, link)| link)
    }

    fn link(&mut self) -> Option<&mut HttpLink> {
        self.link.as_mut().map(|(_, link)| link)
    }
}

impl Bridge {
    /// The client greets: anew, whatever there was before.
    pub(super) fn begin_session(&mut self, initialize: &Envelope) {
        let before = std::mem::take(&mut self.session);
        if let Some(link) = before.into_link() {
            tokio::spawn(link.close(Duration::from_secs(5)));
        }
        for wire in self.requests.that(|one| one.era == Era::Legacy) {
            let Some(request) = self.requests.get(wire) else { continue };
            let answer = wording::lost(request.id(), &self.place.name, "the client began a new session");
            self.finish(wire, answer, None);
        }
        self.session.record = SessionRecord::new("", initialize.bytes().clone());
        self.session.state = State::Greeting;
    }

    pub(super) fn send_in_session(&mut self, wire: u64, frame: Bytes) {
        let is_greeting = self
            .requests
            .get(wire)
            .is_some_and(|one| one.answers == For::Session || one.message.method() == Some("initialize"));
        if !self.session.is_open() && !is_greeting {
            return self.requests.hold(wire, Instant::now(), None);
        }
        if self.session.link.is_none() {
            match self.open(Era::Legacy, None) {
                Ok(link) => self.session.link = Some(link),
                Err(cause) if !self.was_reached() => return self.never_reached(&cause),
                Err(cause) => {
                    self.requests.hold(wire, Instant::now(), self.patience());
                    return self.lose_session(&cause);
                }
            }
        }
        if let Some(link) = self.session.link() {
            link.post(frame, Some(wire));
        }
    }

    /// Sends what expects no answer.
    pub(super) fn post_in_session(&mut self, frame: Bytes) {
        if self.session.state == State::Open
            && let Some(link) = self.session.link()
        {
            link.post(frame, None);
        }
    }

    pub(super) fn notify(&mut self, message: Envelope) {
        let is_initialized = message.method() == Some("notifications/initialized");
        if is_initialized {
            self.session.record.stage = Stage::Initialized;
        }
        match self.session.state {
            State::Open => {
                self.post_in_session(message.bytes().clone());
                if is_initialized && let Some(link) = self.session.link() {
                    link.open_stream();
                }
            }
            _ if is_initialized || self.session.notices.len() >= MAX_NOTICES => {}
            _ => self.session.notices.push(message.bytes().clone()),
        }
    }

    /// The client answers the server.
    pub(super) fn respond(&mut self, message: &Envelope) {
        if let Some(id) = message.id().and_then(|shown| self.session.asked.answer(shown)) {
            self.post_in_session(message.with_id(&id));
        }
    }

    /// The server says something that answers nothing.
    pub(super) fn said_in_session(&mut self, message: &Envelope, permit: Option<OwnedSemaphorePermit>) {
        let said = match (message.kind(), message.id_bytes()) {
            (Kind::Request, Some(id)) => message.with_id(&self.session.asked.ask(id)),
            _ if message.method() == Some("notifications/cancelled") => {
                let part = message::cancelled_request_id(message);
                let shown = part.and_then(|part| self.session.asked.taken_back(part));
                match (part, shown) {
                    (Some(part), Some(shown)) => message.with_part(part, &shown),
                    _ => message.bytes().clone(),
                }
            }
            _ => message.bytes().clone(),
        };
        self.out.say(said, permit);
    }

    /// What an answer to the client means for the session.
    pub(super) fn note_answer(&mut self, wire: u64, answer: &Envelope) {
        let Some(request) = self.requests.get(wire) else { return };
        let (accepted, method) =
            (answer.kind() == Kind::Result, request.message.method().unwrap_or_default());
        if method == "initialize" {
            self.session.state = if accepted { State::Open } else { State::New };
            if accepted {
                self.session.record.first_result = answer.bytes().clone();
                self.establish();
            }
            self.flush();
        } else if accepted {
            self.session.record.answered(method, request.message.params());
        }
    }

    fn establish(&mut self) {
        let version = self.session.record.protocol_version().unwrap_or_default();
        let notices = std::mem::take(&mut self.session.notices);
        let initialized = self.session.record.stage == Stage::Initialized;
        let Some(link) = self.session.link() else { return };
        link.established(&version);
        if initialized {
            link.post(message::notification("notifications/initialized", None), None);
            link.open_stream();
        }
        notices.into_iter().for_each(|notice| link.post(notice, None));
    }

    /// The service is gone, or has forgotten the session.
    pub(super) fn lose_session(&mut self, cause: &str) {
        self.session.link = None;
        match self.session.state {
            State::Lost => {}
            // The client's own `initialize` waits like any other request; it is what begins the session.
            State::New | State::Greeting => return,
            State::Open => {
                complain(&format!("lost {}: {cause}; trying to come back", self.place.name));
                self.session.state = State::Lost;
                for shown in self.session.asked.lost() {
                    let id: serde_json::Value = serde_json::from_slice(&shown).unwrap_or_default();
                    let params = serde_json::json!({ "requestId": id, "reason": "the session was lost" });
                    self.out.say(message::notification("notifications/cancelled", Some(params)), None);
                }
            }
        }
        for wire in self.requests.that(|one| one.era == Era::Legacy) {
            let Some(request) = self.requests.get(wire) else { continue };
            if request.answers != For::Client || request.cancelled.is_some() {
                self.requests.remove(wire);
            } else if request.sent {
                let answer = wording::lost(request.id(), &self.place.name, cause);
                self.finish(wire, answer, None);
            } else {
                self.requests.hold(wire, Instant::now(), None);
            }
        }
        self.session.retry_at = Some(Instant::now() + self.wait());
    }

    /// How long a request that was not sent waits; `None`: for the session.
    pub(super) fn patience(&self) -> Option<Duration> {
        (!matches!(self.session.state, State::Open | State::Lost)).then_some(UNGREETED_WAIT)
    }

    /// The client's own `initialize` has failed.
    pub(super) fn not_greeted(&mut self, wire: u64) {
        let greets = |one: &Request| one.era == Era::Legacy && one.message.method() == Some("initialize");
        if self.session.state == State::Greeting && self.requests.get(wire).is_some_and(greets) {
            self.session.state = State::New;
        }
    }

    fn wait(&mut self) -> Duration {
        let wait = FIRST_WAIT.saturating_mul(1 << self.session.attempts.min(16)).min(LONGEST_WAIT);
        self.session.attempts += 1;
        wait
    }

    /// The stream for what belongs to no request does not open.
    pub(super) fn stream_failed(&mut self, times: u32, cause: &str) {
        if times >= STREAM_FAILURES {
            self.lose_session(cause);
        }
    }
}
