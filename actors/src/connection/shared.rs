//! One connection for many sessions: what each of them says and hears (`protocol.md`, "Whose is it?").
//!
//! Nothing is guessed between sessions: what cannot be attributed is refused to the backend, or dropped.

use std::collections::HashMap;

use bytes::Bytes;

use super::sharing::{self, Subscriptions};
use super::{ConnectionState, Life};
use crate::error::{EndCause, Refusal};
use crate::message::{self, Envelope};
use crate::pending::Pending;
use crate::route::{Route, SessionEvent, SessionId};

/// What a session hears of a log that others have asked for, if it has asked for nothing itself.
const UNASKED: &str = "warning";

/// Kept beside the requests in flight of a connection that is not one session's own.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) subscriptions: Subscriptions,
    levels: HashMap<SessionId, usize>,
}

/// Whom a message of the backend concerns that names no request.
pub(super) enum Whose {
    /// This session.
    One(Route),
    /// The backend as such, and so every session.
    All,
    /// One of several; it cannot be told which.
    Unknown,
}

impl Shared {
    /// What the sessions had before this incarnation.
    pub(super) fn of(members: &[Route]) -> Self {
        let mut shared = Self::default();
        for member in members {
            let record = member.record();
            for params in &record.subscriptions {
                if let Some(uri) = sharing::uri(Some(params)) {
                    shared.subscriptions.add(uri, member.session());
                }
            }
            if let Some(level) = sharing::level(record.log_level.as_deref()) {
                shared.levels.insert(member.session(), level);
            }
        }
        shared
    }

    /// Whether a log message of this level is for the session.
    fn hears(&self, session: SessionId, level: Option<usize>) -> bool {
        let wanted = match self.levels.get(&session) {
            Some(level) => *level,
            // Nobody has asked: it is what the backend says by itself.
            None if self.levels.is_empty() => return true,
            None => sharing::rank(UNASKED).unwrap_or_default(),
        };
        level.is_none_or(|level| level >= wanted)
    }

    fn level_for_all(&self, session: SessionId, level: usize) -> Option<Bytes> {
        let others = self.levels.iter().filter(|(other, _)| **other != session).map(|(_, level)| *level);
        sharing::level_for_all(others.chain([level]))
    }
}

impl ConnectionState {
    /// Whom a message that names no request concerns. `via`: the request whose stream carried it.
    pub(super) fn whose_session(&self, via: Option<u64>) -> Whose {
        if self.shared.is_none() {
            return Whose::One(self.route.clone());
        }
        if let Some(flight) = via.and_then(|wire| self.in_flight.get(wire)) {
            return Whose::One(flight.pending.route().clone());
        }
        let said_by_stream = self.link.as_ref().is_some_and(|link| link.transport() == "tcp");
        match self.in_flight.only_session() {
            Some(session) if !said_by_stream => Whose::One(session.clone()),
            None if !self.in_flight.is_empty() && !said_by_stream => Whose::Unknown,
            _ => match &self.route.place().members.all()[..] {
                [only] => Whose::One(only.clone()),
                _ => Whose::All,
            },
        }
    }

    /// A notification of the backend that names no request, on a connection of many.
    pub(super) fn tell_sessions(&mut self, message: &Envelope, via: Option<u64>) {
        let method = message.method().unwrap_or_default();
        if method == "notifications/resources/updated" {
            return self.tell_subscribers(message);
        }
        if method.ends_with("/list_changed") {
            self.route.deliver(SessionEvent::Message(message.bytes().clone()));
            return;
        }
        let level = (method == "notifications/message").then(|| sharing::level(message.params())).flatten();
        let hears = |state: &Self, session: &Route| {
            state.shared.as_ref().is_none_or(|shared| shared.hears(session.session(), level))
        };
        match self.whose_session(via) {
            Whose::One(session) if hears(self, &session) => self.tell_one(&session, message, via),
            Whose::One(_) => {}
            Whose::All => {
                for session in self.route.place().members.all() {
                    if hears(self, &session) {
                        session.deliver(SessionEvent::Message(message.bytes().clone()));
                    }
                }
            }
            Whose::Unknown => {
                tracing::debug!(backend = %self.route.key().backend_id, method, "a notification was dropped: it may be of any of several sessions");
            }
        }
    }

    fn tell_one(&mut self, session: &Route, message: &Envelope, via: Option<u64>) {
        let bytes = message.bytes().clone();
        if !self.whose(session, via, false).is_some_and(|wire| self.precede(wire, bytes.clone())) {
            session.deliver(SessionEvent::Message(bytes));
        }
    }

    fn tell_subscribers(&self, message: &Envelope) {
        let (Some(uri), Some(shared)) = (sharing::uri(message.params()), &self.shared) else { return };
        for session in self.route.place().members.all() {
            if shared.subscriptions.wants(&uri, session.session()) {
                session.deliver(SessionEvent::Message(message.bytes().clone()));
            }
        }
    }

    /// The request as the backend is to see it, under the id `wire`. `None`: it was answered here.
    pub(super) fn for_the_wire(&mut self, pending: Pending, wire: u64) -> Option<(Pending, Bytes)> {
        let mut digits = itoa::Buffer::new();
        let id = digits.format(wire).as_bytes();
        let Some(shared) = &mut self.shared else {
            let message = pending.message().with_id(id);
            return Some((pending, message));
        };
        let session = pending.route().session();
        let params = pending.message().params();
        let message = match pending.message().method().unwrap_or_default() {
            "resources/subscribe" => {
                if let Some(uri) = sharing::uri(params) {
                    shared.subscriptions.add(uri, session);
                }
                None
            }
            "resources/unsubscribe" => match sharing::uri(params) {
                Some(uri) if !shared.subscriptions.remove(&uri, session) => {
                    self.answer_here(pending);
                    return None;
                }
                _ => None,
            },
            "logging/setLevel" => {
                let all = sharing::level(params).and_then(|level| shared.level_for_all(session, level));
                all.zip(params).map(|(all, params)| pending.message().with_id_and(id, params, &all))
            }
            _ => message::request_progress_token(pending.message())
                .map(|token| pending.message().with_id_and(id, token, &sharing::wire_token(wire, token))),
        };
        let message = message.unwrap_or_else(|| pending.message().with_id(id));
        Some((pending, message))
    }

    /// Another session still wants what this one no longer does.
    fn answer_here(&self, pending: Pending) {
        let Ok(answer) = Envelope::parse(message::empty_result(b"0")) else { return };
        self.note_of_session(pending.route(), pending.message());
        pending.answer(&answer);
    }

    /// What a successful answer says of the session, and of all of them together.
    pub(super) fn note_of_session(&self, session: &Route, request: &Envelope) {
        let Some(method) = request.method() else { return };
        session.update_record(|record| {
            record.answered(method, request.params());
        });
    }

    /// The same for what a replay needs: what all sessions together want.
    pub(super) fn note_of_all(&mut self, session: &Route, request: &Envelope) {
        let Some(shared) = &mut self.shared else { return };
        let method = request.method().unwrap_or_default();
        let mut params = request.params().map(Bytes::copy_from_slice);
        if method == "logging/setLevel" {
            let Some(level) = sharing::level(request.params()) else { return };
            shared.levels.insert(session.session(), level);
            params = shared.level_for_all(session.session(), level);
        }
        self.route.update_record(|record| {
            record.answered(method, params.as_deref());
        });
    }

    /// A session that shares the connection has ended.
    pub(super) fn leave(&mut self, session: &Route, cause: EndCause) {
        let refusal = Refusal::SessionEnded { backend: self.route.key().backend_id.clone(), cause };
        for pending in self.queue.take_of(session) {
            pending.refuse(refusal.clone());
        }
        if !matches!(self.life, Life::Ready | Life::Retiring { .. }) {
            return;
        }
        for wire in self.in_flight.wires_of(session) {
            self.cancel_at_backend(wire, "the session has ended");
            if let Some(flight) = self.in_flight.remove(wire) {
                self.record(&flight, "session_ended");
                flight.pending.refuse(refusal.clone());
            }
        }
        for id in self.asked.leave(session) {
            self.say(message::error(Some(&id), -32603, "the client has ended its session", None), None);
        }
        self.unsubscribe_for(session);
        self.advance();
    }

    fn unsubscribe_for(&mut self, session: &Route) {
        let Some(shared) = &mut self.shared else { return };
        shared.levels.remove(&session.session());
        for uri in shared.subscriptions.leave(session.session()) {
            // Its answer has no reader, whatever it says.
            let id = self.next_id();
            let message = sharing::unsubscribe(id, &uri);
            if let Ok(request) = Envelope::parse(message.clone()) {
                self.route.update_record(|record| {
                    record.answered("resources/unsubscribe", request.params());
                });
            }
            self.say(message, Some(id));
        }
    }

    /// Whether a notification of one session is for a backend that all share: it knows mcpvisor as its client.
    pub(super) fn concerns_backend(&self, method: &str) -> bool {
        match method {
            "notifications/initialized" => false,
            "notifications/roots/list_changed" => {
                self.backend.client_profile.capabilities["roots"].is_object()
            }
            _ => true,
        }
    }
}
