//! One connection for many sessions: what each of them says (`protocol.md`, "Whose is it?"). What they hear is in
//! `hearing`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::sharing::{self, Levels, Subscriptions};
use super::{ConnectionState, Life};
use crate::error::{EndCause, Refusal};
use crate::message::{self, Envelope, LogLevel};
use crate::pending::Pending;
use crate::route::{Route, SessionId};
use crate::session_record::SessionRecord;

/// Kept beside the requests in flight of a connection that is not one session's own.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) subscriptions: Subscriptions,
    pub(super) levels: Levels,
}

impl Shared {
    /// What the sessions have been granted so far.
    fn of(sessions: &[Route]) -> Self {
        let mut shared = Self::default();
        for session in sessions {
            let record = session.record();
            for uri in record.subscriptions.iter().filter_map(|params| sharing::uri(Some(params))) {
                shared.subscriptions.add(uri, session.session());
            }
            shared.levels.set(session.session(), LogLevel::in_params(record.log_level.as_deref()));
        }
        shared
    }
}

impl ConnectionState {
    /// Those that share the connection, and whoever uses it by its own name.
    fn sessions(&self) -> Vec<Route> {
        let mut sessions = self.route.place().members.all();
        sessions.push(self.route.clone());
        sessions
    }

    fn session_ids(&self) -> Vec<SessionId> {
        self.route.place().members.all().iter().map(Route::session).collect()
    }

    /// What this incarnation has to restore: what the session has, or all sessions have together.
    pub(super) fn record_to_replay(&mut self) -> Arc<SessionRecord> {
        let own = self.route.record();
        if self.shared.is_none() {
            return own;
        }
        let sessions = self.sessions();
        let mut shared = Shared::of(&sessions);
        let records: Vec<_> = sessions.iter().map(Route::record).collect();
        let all = records.iter().flat_map(|record| &record.subscriptions);
        let by_uri: BTreeMap<_, _> = all.map(|params| (sharing::uri(Some(params)), params.clone())).collect();
        let mut record = SessionRecord::clone(&own);
        record.subscriptions = by_uri.into_values().collect();
        record.log_level = shared.levels.for_all(sessions.iter().map(Route::session));
        self.shared = Some(shared);
        record.into()
    }

    /// The replay is done; some sessions may have ended meanwhile.
    pub(super) fn catch_up(&mut self) {
        let sessions = self.sessions();
        let Some(shared) = &mut self.shared else { return };
        let mut now = Shared::of(&sessions);
        let missing = shared.subscriptions.missing_in(&now.subscriptions);
        std::mem::swap(&mut shared.subscriptions, &mut now.subscriptions);
        missing.into_iter().for_each(|uri| self.unsubscribe(&uri));
    }

    /// The request as the backend is to see it, under the id `wire`. `None`: it was answered here.
    pub(super) fn for_the_wire(&mut self, pending: Pending, wire: u64) -> Option<(Pending, Bytes)> {
        let mut digits = itoa::Buffer::new();
        let id = digits.format(wire).as_bytes();
        let everybody = if self.shared.is_some() { self.session_ids() } else { Vec::new() };
        let Some(shared) = &mut self.shared else {
            let message = pending.message().with_id(id);
            return Some((pending, message));
        };
        let (session, request) = (pending.route().session(), pending.message());
        match (request.method().unwrap_or_default(), request.params()) {
            ("resources/subscribe", params) => {
                if let Some(uri) = sharing::uri(params) {
                    shared.subscriptions.add(uri, session);
                }
            }
            ("resources/unsubscribe", params) => {
                let last = sharing::uri(params).is_none_or(|uri| shared.subscriptions.remove(&uri, session));
                if !last {
                    self.answer_here(pending);
                    return None;
                }
            }
            ("logging/setLevel", Some(params)) if LogLevel::in_params(Some(params)).is_some() => {
                shared.levels.set(session, LogLevel::in_params(Some(params)));
                if let Some(all) = shared.levels.for_all(everybody.into_iter().chain([session])) {
                    let message = request.with_id_and(id, params, &all);
                    return Some((pending, message));
                }
            }
            _ => {}
        }
        let token = message::request_progress_token(request);
        let message = match token {
            Some(token) => request.with_id_and(id, token, &sharing::wire_token(wire, token)),
            None => request.with_id(id),
        };
        Some((pending, message))
    }

    /// Another session still wants what this one no longer does.
    fn answer_here(&self, pending: Pending) {
        let Ok(answer) = Envelope::parse(message::empty_result(b"0")) else { return };
        self.note(pending.route(), pending.message());
        pending.answer(&answer);
    }

    /// What a successful answer says of the session.
    pub(super) fn note(&self, session: &Route, request: &Envelope) {
        let Some(method) = request.method() else { return };
        session.update_record(|record| {
            record.answered(method, request.params());
        });
    }

    /// A request of a session is over, however it ended: what was counted when it was sent is held against what
    /// the session was granted.
    pub(super) fn settle(&mut self, session: &Route, request: &Envelope) {
        let Some(shared) = &mut self.shared else { return };
        let (id, record) = (session.session(), session.record());
        match request.method() {
            Some("resources/subscribe" | "resources/unsubscribe") => {
                let Some(uri) = sharing::uri(request.params()) else { return };
                let granted = |params: &Bytes| sharing::uri(Some(params)).as_ref() == Some(&uri);
                if record.subscriptions.iter().any(granted) {
                    shared.subscriptions.add(uri, id);
                } else {
                    shared.subscriptions.remove(&uri, id);
                }
            }
            Some("logging/setLevel") => {
                shared.levels.set(id, LogLevel::in_params(record.log_level.as_deref()));
            }
            _ => {}
        }
    }

    /// A session that shares the connection has ended.
    pub(super) fn leave(&mut self, session: &Route, cause: EndCause) {
        let refusal = Refusal::SessionEnded { backend: self.route.key().backend_id.clone(), cause };
        for pending in self.queue.take_of(session) {
            pending.refuse(refusal.clone());
        }
        if !matches!(self.life, Life::Ready | Life::Renewing | Life::Retiring { .. }) {
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
        self.show_asked();
        self.forget_wishes(session);
        self.advance();
    }

    fn forget_wishes(&mut self, session: &Route) {
        let everybody = self.session_ids();
        let Some(shared) = &mut self.shared else { return };
        let before = shared.levels.for_all(everybody.iter().copied().chain([session.session()]));
        shared.levels.set(session.session(), None);
        let now = shared.levels.for_all(everybody);
        let left = shared.subscriptions.leave(session.session());
        left.into_iter().for_each(|uri| self.unsubscribe(&uri));
        if let Some(level) = now.filter(|now| before.as_ref() != Some(now)) {
            self.say_request("logging/setLevel", &level);
        }
    }

    fn unsubscribe(&mut self, uri: &str) {
        let params = serde_json::json!({ "uri": uri }).to_string();
        self.say_request("resources/unsubscribe", params.as_bytes());
    }

    /// A request in nobody's name: its answer has no reader, whatever it says.
    fn say_request(&mut self, method: &'static str, params: &[u8]) {
        let id = self.next_id();
        self.say(message::raw_request(id, method, params), Some(id));
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
