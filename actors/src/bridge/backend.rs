//! What a backend says, in the words of the legacy era. Pure.

use serde_json::Value;
use tokio::time::Instant;

use super::answer::{self, Discovered, Reading};
use super::listening::{End, Listening};
use super::{Out, Owner, Translator, Way, id, number, uri};
use crate::era;
use crate::message::{self, Envelope, Kind, cancelled_request_id, subscription_id};

impl Translator {
    /// What the backend says. `via`: the id of the request whose stream carried it.
    pub(crate) fn backend_says(&mut self, message: &Envelope, via: Option<u64>, now: Instant) -> Vec<Out> {
        match message.kind() {
            Kind::Result | Kind::Error => self.answered_by_backend(message, now),
            Kind::Notification => self.told_by_backend(message, via, now),
            Kind::Request => self.asked_by_backend(message),
        }
    }

    fn answered_by_backend(&mut self, message: &Envelope, now: Instant) -> Vec<Out> {
        let Some(known) = message.wire_id() else { return Vec::new() };
        let wire = match self.owner(known) {
            Some(Owner::Listening) => {
                let end = match message.error_code() {
                    Some(code) => End::Refused(code, "the server refuses the subscription".to_owned()),
                    None => End::Lost,
                };
                return self.listening.ended(known, end, now, id(&mut self.last));
            }
            Some(Owner::Request(wire)) => wire,
            None => return Vec::new(),
        };
        let name = wire.to_string();
        match self.ways.remove(&wire) {
            Some(Way::Greeting) => self.greeted(message, name.as_bytes()),
            Some(Way::Ping) => vec![Out::tell(message::empty_result(name.as_bytes()))],
            Some(Way::Forwarded(mut round)) => {
                // Of a round before this one, which was answered.
                if round.id().unwrap_or(wire) != known {
                    self.ways.insert(wire, Way::Forwarded(round));
                    return Vec::new();
                }
                self.renamed.remove(&known);
                if message.kind() == Kind::Error {
                    return vec![Out::tell(answer::error(round.method(), message, name.as_bytes()))];
                }
                match answer::result(message, name.as_bytes()) {
                    Reading::Answer(bytes) => vec![Out::tell(bytes)],
                    Reading::InputRequired => {
                        round.begins();
                        self.ways.insert(wire, Way::Forwarded(round));
                        self.input_required(wire, message)
                    }
                    Reading::Unknown(other) => {
                        let text = format!("the server answered with a result of the unknown type {other}");
                        vec![Out::error(wire, -32603, &text)]
                    }
                }
            }
            // An answer to nothing, as the Connection will see.
            None => vec![Out::tell(message.bytes().clone())],
        }
    }

    fn greeted(&mut self, message: &Envelope, id: &[u8]) -> Vec<Out> {
        if message.kind() == Kind::Error {
            return vec![Out::tell(answer::error("server/discover", message, id))];
        }
        if !era::is_modern_answer(message) {
            let text = "the server has not answered server/discover as one of 2026-07-28 does";
            return vec![Out::tell(message::error(Some(id), -32603, text, None))];
        }
        let discovered = Discovered::of(message, &self.name);
        self.has_logging = discovered.capabilities["logging"].is_object();
        self.listening = Listening::of(&discovered.capabilities);
        vec![Out::tell(discovered.initialize_result(&self.client, id))]
    }

    fn told_by_backend(&mut self, message: &Envelope, via: Option<u64>, now: Instant) -> Vec<Out> {
        let method = message.method().unwrap_or_default();
        if method == "notifications/cancelled" {
            let id = cancelled_request_id(message).and_then(number).filter(|id| self.listening.is(*id));
            return id.map_or_else(Vec::new, |id| {
                self.listening.ended(id, End::Lost, now, self::id(&mut self.last))
            });
        }
        let named = subscription_id(message).and_then(number);
        if method == "notifications/subscriptions/acknowledged" {
            let params: Value =
                serde_json::from_slice(message.params().unwrap_or_default()).unwrap_or_default();
            let subscription = named.or(via);
            return subscription.map_or_else(Vec::new, |subscription| {
                self.listening.acknowledged(subscription, &params["notifications"], now, id(&mut self.last))
            });
        }
        let via = match via.map(|id| (id, self.owner(id))) {
            Some((id, Some(Owner::Listening) | None)) => {
                let uri = uri(message.params());
                if !self.listening.hears(named.unwrap_or(id), uri.as_deref()) {
                    return Vec::new();
                }
                None
            }
            Some((_, Some(Owner::Request(wire)))) => Some(wire),
            None => {
                let uri = uri(message.params());
                if named.is_some_and(|named| !self.listening.hears(named, uri.as_deref())) {
                    return Vec::new();
                }
                None
            }
        };
        vec![Out::Tell { message: answer::notification(message), via }]
    }

    /// There is nothing that a server of the era may ask but whether we are there, and not even that.
    fn asked_by_backend(&self, message: &Envelope) -> Vec<Out> {
        let Some(id) = message.id() else { return Vec::new() };
        let answer = if message.method() == Some("ping") {
            message::empty_result(id)
        } else {
            let text = "there are no requests to clients in 2026-07-28: answer with input_required";
            message::error(Some(id), -32601, text, None)
        };
        vec![Out::Send { message: answer, request: None }]
    }
}
