//! From the backend to the client, and whose it is (`protocol.md`, "Whose is it?").

use bytes::Bytes;
use tokio::time::Instant;

use super::hearing::Whose;
use super::in_flight::Flight;
use super::{ConnectionState, Life, SafeTools, sharing};
use crate::era::Era;
use crate::message::{
    self, Envelope, Kind, cancelled_request_id, progress_token, result_subscription_id, subscription_id,
};
use crate::metrics::{self, Operation};
use crate::mirrored::MirroredTools;
use crate::pending::Pending;
use crate::route::{Route, SessionEvent};
use crate::session_record::SessionRecord;

impl ConnectionState {
    /// `via`: the request whose stream carried the message, where the transport tells.
    pub(super) fn message(&mut self, message: Envelope, via: Option<u64>) {
        let now = Instant::now();
        self.liveness.heard(now);
        self.metrics.heard(message.bytes().len());
        self.dispatch(&message, via);
    }

    /// What is no sign of life by itself.
    pub(super) fn dispatch(&mut self, message: &Envelope, via: Option<u64>) {
        match (&self.life, message.kind()) {
            (Life::Over | Life::Closing | Life::Opening | Life::Doubting(_), _) => {}
            (Life::Shaking(_), Kind::Result | Kind::Error) => self.handshake_answer(message),
            (Life::Dying { .. }, Kind::Error) if self.doubtful => self.doubt_late(message),
            (_, Kind::Result | Kind::Error) => self.answer(message, Instant::now()),
            (_, Kind::Request) => {
                self.heard();
                self.asked_by_backend(message, via);
            }
            (_, Kind::Notification) => {
                self.heard();
                self.told_by_backend(message, via);
            }
        }
    }

    /// Something that is no JSON-RPC: harmless, and a sign of life.
    pub(super) fn noise(&mut self) {
        self.liveness.heard(Instant::now());
        self.metrics.noise();
    }

    fn answer(&mut self, message: &Envelope, now: Instant) {
        let Some(wire) = message.wire_id() else { return };
        let Some(flight) = self.in_flight.remove(wire) else {
            // A ping of ours; else an answer to nothing: it was timed out, or the backend invents ids. Nobody
            // waits for it.
            self.liveness.settle(wire);
            return;
        };
        self.served = true;
        self.route.place().usage.touch(now);
        self.record(&flight, error_type(message));
        if message.kind() == Kind::Result {
            self.take_note(&flight.pending, message);
        }
        self.settle(flight.pending.route(), flight.pending.message());
        let named = if flight.listens { result_subscription_id(message) } else { None };
        match named.map(|id| Envelope::parse(message.with_part(id, flight.pending.id()))) {
            Some(Ok(named)) => flight.pending.answer(&named),
            _ => flight.pending.answer(message),
        }
        self.advance();
    }

    /// What an answer says of the session, or of the backend.
    fn take_note(&mut self, request: &Pending, answer: &Envelope) {
        match request.message().method() {
            Some(method) if SessionRecord::concerns(method) => {
                self.note(request.route(), request.message());
            }
            Some("tools/list") => {
                let place = self.route.place();
                let known = &place.safe_tools;
                let mut tools = SafeTools::clone(&known.load());
                tools.learn(answer.body().unwrap_or_default());
                known.store(tools.into());
                if let Some(names) = place.tool_names.load().as_ref() {
                    names.learn(answer.body().unwrap_or_default());
                }
                // Only who speaks to a client that repeats arguments in headers will ask.
                if self.route.key().is_sessionless() || self.bridged {
                    let mut tools = MirroredTools::clone(&place.mirrored_tools.load());
                    tools.learn(answer.body().unwrap_or_default());
                    place.mirrored_tools.store(tools.into());
                }
            }
            _ => {}
        }
    }

    fn asked_by_backend(&mut self, message: &Envelope, via: Option<u64>) {
        let Some(id) = message.id_bytes() else { return };
        if message.method() == Some("ping") {
            return self.say(message::empty_result(&id), None);
        }
        if self.era == Era::Modern {
            let text = "there are no requests to clients in 2026-07-28: answer with input_required";
            return self.say(message::error(Some(&id), -32601, text, None), None);
        }
        let Whose::One(session) = self.whose_session(via) else {
            let text = "it cannot be told which of the sessions that share this connection is asked";
            return self.say(message::error(Some(&id), -32603, text, None), None);
        };
        if self.asked.of(&session) >= self.backend.limits.max_in_flight {
            let text = "too many requests wait at the client (limits.max_in_flight)";
            return self.say(message::error(Some(&id), -32603, text, None), None);
        }
        self.route.place().usage.touch(Instant::now());
        let about = self.whose(&session, via, false);
        let asked = self.asked.add(id.clone(), about, session.clone());
        self.show_asked();
        let question = message.with_id(&asked);
        if about.is_some_and(|wire| self.precede(wire, question.clone())) {
            return;
        }
        if session.tell(SessionEvent::ServerRequest { id: asked.clone(), message: question }) {
            return;
        }
        self.asked.answered(&session, &asked);
        self.show_asked();
        let text = "there is no client to ask";
        self.say(message::error(Some(&id), -32603, text, None), None);
    }

    fn told_by_backend(&mut self, message: &Envelope, via: Option<u64>) {
        if message.method() == Some("notifications/tools/list_changed") {
            self.route.place().mirrored_tools.store(Default::default());
        }
        match message.method() {
            Some("notifications/progress") => {
                let Some(token) = progress_token(message) else { return };
                let wire = match self.shared {
                    Some(_) => sharing::request_of_token(token),
                    None => self.in_flight.by_token(token),
                };
                // Progress of a request that has been answered is nobody's any more.
                let Some(wire) = wire else { return };
                let shared = self.shared.is_some();
                let Some(flight) = self.in_flight.get_mut(wire) else { return };
                if shared && flight.token.is_none() {
                    return;
                }
                let now = Instant::now();
                self.route.place().usage.touch(now);
                let until = now + self.backend.timeouts.request;
                if !flight.cancelled {
                    flight.pending.extend(until);
                }
                let original = flight.token.as_ref().filter(|_| shared);
                let message =
                    original.map_or_else(|| message.bytes().clone(), |own| message.with_part(token, own));
                self.precede(wire, message);
            }
            Some("notifications/cancelled") if self.era == Era::Modern => self.ended_by_backend(message),
            Some("notifications/cancelled") => self.withdrawn_by_backend(message),
            Some(_) if self.era == Era::Modern && self.tell_listener(message) => {}
            _ if self.shared.is_some() => self.tell_sessions(message, via),
            method => {
                let unrelated = method.is_some_and(|method| {
                    method.ends_with("/list_changed") || method == "notifications/resources/updated"
                });
                let bytes = message.bytes().clone();
                let session = self.route.clone();
                if !self.whose(&session, via, unrelated).is_some_and(|wire| self.precede(wire, bytes.clone()))
                {
                    self.route.deliver(SessionEvent::Message(bytes));
                }
            }
        }
    }

    /// What a modern backend says to somebody who listens names that, by the id of the request. False: it names nobody.
    fn tell_listener(&mut self, message: &Envelope) -> bool {
        let Some(id) = subscription_id(message) else { return false };
        let wire = std::str::from_utf8(id).ok().and_then(|id| id.trim_matches('"').parse().ok());
        let Some(flight) = wire.and_then(|wire| self.in_flight.get(wire)) else { return true };
        let rewritten = message.with_part(id, flight.pending.id());
        let Some(wire) = wire else { return true };
        self.precede(wire, rewritten);
        true
    }

    /// The backend will say no more to somebody who listens.
    fn ended_by_backend(&mut self, message: &Envelope) {
        let wire = cancelled_request_id(message).and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let listens = |wire: &u64| self.in_flight.get(*wire).is_some_and(|flight| flight.listens);
        let Some(flight) = wire.filter(listens).and_then(|wire| self.in_flight.remove(wire)) else { return };
        self.record(&flight, "");
        // The end that the specification has for a subscription, in place of a request without an answer.
        if let Ok(end) = Envelope::parse(message::subscription_ended(flight.pending.id())) {
            flight.pending.answer(&end);
        }
        self.advance();
    }

    /// The backend takes back one of its own requests.
    fn withdrawn_by_backend(&mut self, message: &Envelope) {
        let Some(original) = cancelled_request_id(message) else { return };
        let Some((id, about, session)) = self.asked.withdrawn(original) else { return };
        self.show_asked();
        let rewritten = message.with_part(original, &id);
        session.tell(SessionEvent::ServerRequestGone { id });
        if !about.is_some_and(|wire| self.precede(wire, rewritten.clone())) {
            session.tell(SessionEvent::Message(rewritten));
        }
    }

    /// The request of a session that a message without a name belongs to: the stream tells; else the only one
    /// in flight; else the session's own stream if it is open (`None`), or the oldest request.
    /// `unrelated`: by its meaning it belongs to none, if there is a better place.
    pub(super) fn whose(&self, session: &Route, via: Option<u64>, unrelated: bool) -> Option<u64> {
        // What comes along with the answer to a ping of ours belongs to no request of the client.
        let via = via.filter(|wire| !self.liveness.is_ping(*wire));
        if via.is_some() || self.link.as_ref().is_some_and(|link| link.tells_requests_apart()) {
            return via;
        }
        let stream_open = session.is_stream_open();
        match self.in_flight.only(session) {
            Some(only) if !(unrelated && stream_open) => Some(only),
            _ if stream_open => None,
            _ => self.in_flight.oldest(session),
        }
    }

    /// Sends a message on the stream of a request, before its answer.
    pub(super) fn precede(&mut self, wire: u64, message: Bytes) -> bool {
        self.in_flight.get_mut(wire).is_some_and(|flight| flight.pending.precede(message))
    }

    pub(super) fn record(&self, flight: &Flight, error: &'static str) {
        let operation = Operation {
            backend: self.route.key().backend_id.clone(),
            method: metrics::method_label(flight.pending.message().method().unwrap_or_default()),
            error,
            transport: self.link.as_ref().map_or("pipe", |link| link.transport()),
            version: self.version,
            tool: self.route.tool_label(flight.pending.message()),
        };
        operation.record(flight.since.elapsed());
    }

    /// How many requests of the backend wait at clients.
    pub(super) fn show_asked(&self) {
        self.route.place().usage.set_asked(self.asked.len());
    }
}

fn error_type(answer: &Envelope) -> &'static str {
    if answer.kind() == Kind::Error { metrics::code_label(answer.error_code()) } else { "" }
}
