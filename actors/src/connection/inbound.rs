//! From the backend to the client, and whose it is (`protocol.md`, "Whose is it?").

use bytes::Bytes;
use tokio::time::Instant;

use super::in_flight::Flight;
use super::{ConnectionState, Life, SafeTools};
use crate::message::{self, Envelope, Kind, cancelled_request_id, progress_token};
use crate::metrics;
use crate::route::SessionEvent;
use crate::session_record::SessionRecord;

impl ConnectionState {
    /// `via`: the request whose stream carried the message, where the transport tells.
    pub(super) fn message(&mut self, message: Envelope, via: Option<u64>) {
        match (&self.life, message.kind()) {
            (Life::Over | Life::Closing | Life::Opening, _) => {}
            (Life::Shaking(_), Kind::Result | Kind::Error) => self.handshake_answer(&message),
            (_, Kind::Result | Kind::Error) => self.answer(&message),
            (_, Kind::Request) => self.asked_by_backend(&message, via),
            (_, Kind::Notification) => self.told_by_backend(&message, via),
        }
    }

    fn answer(&mut self, message: &Envelope) {
        // An answer to nothing: it was timed out, or the backend invents ids. Nobody waits for it.
        let Some(flight) = message.wire_id().and_then(|wire| self.in_flight.remove(wire)) else { return };
        self.route.place().usage.touch(Instant::now());
        self.record(&flight, if message.kind() == Kind::Error { "backend" } else { "" });
        if message.kind() == Kind::Result {
            self.take_note(flight.pending.message(), message);
        }
        flight.pending.answer(message);
        self.advance();
    }

    /// What an answer says of the session, or of the backend.
    fn take_note(&self, request: &Envelope, answer: &Envelope) {
        match request.method() {
            Some(method) if SessionRecord::concerns(method) => self.route.update_record(|record| {
                record.answered(method, request.params());
            }),
            Some("tools/list") => {
                let known = &self.route.place().safe_tools;
                let mut tools = SafeTools::clone(&known.load());
                tools.learn(answer.body().unwrap_or_default());
                known.store(tools.into());
            }
            _ => {}
        }
    }

    fn asked_by_backend(&mut self, message: &Envelope, via: Option<u64>) {
        let Some(id) = message.id_bytes() else { return };
        if message.method() == Some("ping") {
            return self.say(message::empty_result(&id), None);
        }
        if self.asked.len() >= self.backend.limits.max_in_flight {
            let text = "too many requests wait at the client (limits.max_in_flight)";
            return self.say(message::error(Some(&id), -32603, text, None), None);
        }
        self.route.place().usage.touch(Instant::now());
        let about = self.whose(via, false);
        let asked = self.asked.add(id.clone(), about);
        let question = message.with_id(&asked);
        if about.is_some_and(|wire| self.precede(wire, question.clone())) {
            return;
        }
        if self.route.deliver(SessionEvent::ServerRequest { id: asked.clone(), message: question }) {
            return;
        }
        self.asked.answered(&asked);
        let text = "there is no client to ask";
        self.say(message::error(Some(&id), -32603, text, None), None);
    }

    fn told_by_backend(&mut self, message: &Envelope, via: Option<u64>) {
        let usage = &self.route.place().usage;
        match message.method() {
            Some("notifications/progress") => {
                usage.touch(Instant::now());
                let wire = progress_token(message).and_then(|token| self.in_flight.by_token(token));
                // Progress of a request that has been answered is nobody's any more.
                let Some(wire) = wire else { return };
                let until = Instant::now() + self.backend.timeouts.request;
                if let Some(flight) = self.in_flight.get_mut(wire).filter(|flight| !flight.cancelled) {
                    flight.pending.extend(until);
                }
                self.precede(wire, message.bytes().clone());
            }
            Some("notifications/cancelled") => self.withdrawn_by_backend(message),
            method => {
                let unrelated = method.is_some_and(|method| {
                    method.ends_with("/list_changed") || method == "notifications/resources/updated"
                });
                let bytes = message.bytes().clone();
                if !self.whose(via, unrelated).is_some_and(|wire| self.precede(wire, bytes.clone())) {
                    self.route.deliver(SessionEvent::Message(bytes));
                }
            }
        }
    }

    /// The backend takes back one of its own requests.
    fn withdrawn_by_backend(&mut self, message: &Envelope) {
        let Some(original) = cancelled_request_id(message) else { return };
        let Some((id, about)) = self.asked.withdrawn(original) else { return };
        let rewritten = message.with_part(original, &id);
        self.route.deliver(SessionEvent::ServerRequestGone { id });
        if !about.is_some_and(|wire| self.precede(wire, rewritten.clone())) {
            self.route.deliver(SessionEvent::Message(rewritten));
        }
    }

    /// The request that a message without a name belongs to: the stream tells; else the only one in
    /// flight; else the session's own stream if it is open (`None`), or the oldest request.
    /// `unrelated`: by its meaning it belongs to none, if there is a better place.
    fn whose(&self, via: Option<u64>, unrelated: bool) -> Option<u64> {
        if via.is_some() || self.link.as_ref().is_some_and(|link| link.transport() == "tcp") {
            return via;
        }
        let place = self.route.place();
        let stream_open = place.stream_open.load(std::sync::atomic::Ordering::Relaxed);
        match self.in_flight.only() {
            Some(only) if !(unrelated && stream_open) => Some(only),
            _ if stream_open => None,
            _ => self.in_flight.oldest(),
        }
    }

    /// Sends a message on the stream of a request, before its answer.
    fn precede(&mut self, wire: u64, message: Bytes) -> bool {
        self.in_flight.get_mut(wire).is_some_and(|flight| flight.pending.precede(message))
    }

    pub(super) fn record(&self, flight: &Flight, error: &'static str) {
        let method = metrics::method_label(flight.pending.message().method().unwrap_or_default());
        let transport = self.link.as_ref().map_or("pipe", |link| link.transport());
        metrics::operation(&self.route.key().backend_id, method, error, transport, flight.since.elapsed());
    }
}
