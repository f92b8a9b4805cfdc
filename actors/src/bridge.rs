//! A client of the legacy era and a backend that speaks nothing but 2026-07-28: what each of them says, in the words of
//! the other. Pure.
//!
//! ```text
//! Connection ── BridgedLink ── Translator ── Link (stdio, HTTP)
//! ```
//! The Connection believes that it talks to a server of its own era, so everything that supervises one (the handshake and
//! its replay, restarts, pings, deadlines, many sessions on one connection) is as it always is. It knows each request by the
//! id that it gave; the backend knows it by the same one, until it has asked something and gets the request once more.

mod answer;
mod introduction;
mod link;
mod listening;
mod round;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::era;
use crate::message::{self, Envelope, Kind, LogLevel, cancelled_request_id, subscription_id};
use answer::{Discovered, Reading};
use introduction::Introduction;
pub(crate) use link::BridgedLink;
use listening::{End, Listening};
use round::Round;

/// Ids of our own making begin here: a Connection does not live to count so far, and JavaScript still counts exactly.
const OWN_IDS: u64 = 1 << 48;

/// A backend may ask so often before it answers.
const MOST_ROUNDS: u32 = 10;

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Out {
    /// The backend is told this, as it is. `request`: it is to be answered, under this id.
    Send { message: Bytes, request: Option<u64> },
    /// The backend is asked this, with all that a request has to say besides.
    Ask { id: u64, method: &'static str, params: String },
    /// The Connection hears this. `via`: the request that it belongs to.
    Tell { message: Bytes, via: Option<u64> },
    /// The backend is told that the answer to what it knows by this id is not wanted any more.
    Withdraw(u64),
    /// There will be no answer to this request of the Connection, which has taken it back.
    Gone(u64),
    /// [`Translator::again`] after that time.
    Later(Duration),
}

impl Out {
    fn tell(message: Bytes) -> Self {
        Self::Tell { message, via: None }
    }

    fn error(wire: u64, code: i64, text: &str) -> Self {
        let code = i32::try_from(code).unwrap_or(-32603);
        Self::tell(message::error(Some(wire.to_string().as_bytes()), code, text, None))
    }
}

/// Whose an id of the backend's is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The Connection's request of this id.
    Request(u64),
    /// Our own subscription.
    Listening,
}

/// What a request of the Connection has become.
enum Way {
    /// `server/discover` in place of `initialize`.
    Greeting,
    /// `server/discover` in place of `ping`.
    Ping,
    /// The request itself.
    Forwarded(Round),
}

/// One connection's.
pub(crate) struct Translator {
    /// Requests are taken back by closing their streams.
    hangs_up: bool,
    /// For a server that does not say how it is called.
    name: String,
    /// Makes the names of pages that clients are sent to unique.
    nonce: String,
    client: Introduction,
    level: Option<LogLevel>,
    has_logging: bool,
    listening: Listening,
    ways: HashMap<u64, Way>,
    /// Requests that were sent once more, by the id that the backend knows.
    renamed: HashMap<u64, u64>,
    /// Questions at the client, by id: the request that they were asked for.
    questions: HashMap<u64, u64>,
    last: u64,
}

impl Translator {
    pub(crate) fn new(hangs_up: bool, name: &str, nonce: String) -> Self {
        Self {
            hangs_up,
            name: name.to_owned(),
            nonce,
            client: Introduction::default(),
            level: None,
            has_logging: false,
            listening: Listening::default(),
            ways: HashMap::new(),
            renamed: HashMap::new(),
            questions: HashMap::new(),
            last: OWN_IDS,
        }
    }

    /// A request of our own, as the backend gets it.
    pub(crate) fn request(&self, id: u64, method: &str, params: &str) -> Bytes {
        let signed = self.client.sign(Some(params.as_bytes()), None).unwrap_or_default();
        message::raw_request(id, method, signed.as_bytes())
    }

    /// What the Connection says. `request`: it is to be answered.
    pub(crate) fn from_client(&mut self, message: &Envelope, request: Option<u64>) -> Vec<Out> {
        match (message.kind(), request) {
            (Kind::Request, Some(wire)) => self.asked_by_client(message, wire),
            (Kind::Request, None) => Vec::new(),
            (Kind::Notification, _) => self.told_by_client(message),
            (Kind::Result | Kind::Error, _) => self.answered_by_client(message),
        }
    }

    fn asked_by_client(&mut self, message: &Envelope, wire: u64) -> Vec<Out> {
        let discover = Out::Ask { id: wire, method: "server/discover", params: "{}".to_owned() };
        match message.method().unwrap_or_default() {
            "initialize" => {
                self.client = Introduction::of(message);
                self.ways.insert(wire, Way::Greeting);
                vec![discover]
            }
            "ping" => {
                self.ways.insert(wire, Way::Ping);
                vec![discover]
            }
            "logging/setLevel" => vec![self.set_level(message, wire)],
            method @ ("resources/subscribe" | "resources/unsubscribe") => {
                let Some(uri) = uri(message.params()) else {
                    return vec![Out::error(wire, -32602, "params.uri is missing")];
                };
                let next = id(&mut self.last);
                match method {
                    "resources/subscribe" => self.listening.subscribe(wire, uri, next),
                    _ => self.listening.unsubscribe(wire, &uri, next),
                }
            }
            _ => {
                let message = self.signed(message);
                self.ways.insert(wire, Way::Forwarded(Round::new(&message)));
                vec![Out::Send { message, request: Some(wire) }]
            }
        }
    }

    fn set_level(&mut self, message: &Envelope, wire: u64) -> Out {
        if !self.has_logging {
            return Out::error(wire, -32601, "the server has no log messages");
        }
        let Some(level) = LogLevel::in_params(message.params()) else {
            return Out::error(wire, -32602, "params.level is none of the levels of the protocol");
        };
        self.level = Some(level);
        Out::tell(message::empty_result(wire.to_string().as_bytes()))
    }

    /// A request with all that the modern era wants to be told each time.
    fn signed(&self, message: &Envelope) -> Bytes {
        let level = self.level.filter(|_| self.has_logging);
        let Some(signed) = self.client.sign(message.params(), level) else { return message.bytes().clone() };
        if let Some(params) = message.params() {
            return message.with_part(params, signed.as_bytes());
        }
        let whole = message.bytes().trim_ascii_end();
        let head = whole.strip_suffix(b"}").unwrap_or(whole);
        [head, br#","params":"#, signed.as_bytes(), b"}"].concat().into()
    }

    fn told_by_client(&mut self, message: &Envelope) -> Vec<Out> {
        match message.method().unwrap_or_default() {
            "notifications/initialized" => self.listening.start(id(&mut self.last)),
            "notifications/cancelled" => {
                let wire = cancelled_request_id(message).and_then(|id| std::str::from_utf8(id).ok());
                wire.and_then(|wire| wire.parse().ok()).map_or_else(Vec::new, |wire| self.cancel(wire))
            }
            // The era has no such thing: what is asked is answered by the client each time.
            "notifications/roots/list_changed" | "notifications/progress" => Vec::new(),
            _ => vec![Out::Send { message: message.bytes().clone(), request: None }],
        }
    }

    /// The Connection takes back a request, and may still hear its answer.
    fn cancel(&mut self, wire: u64) -> Vec<Out> {
        self.listening.forget(wire);
        let Some(way) = self.ways.get_mut(&wire) else { return vec![Out::Gone(wire)] };
        let (asking, current) = match way {
            Way::Forwarded(round) => (round.is_asking(), round.id().unwrap_or(wire)),
            _ => (false, wire),
        };
        if asking {
            let mut out = self.withdraw_questions(wire);
            self.forget(wire);
            out.push(Out::Gone(wire));
            return out;
        }
        if self.hangs_up {
            self.forget(wire);
            return vec![Out::Withdraw(current), Out::Gone(wire)];
        }
        vec![Out::Withdraw(current)]
    }

    /// The Connection no longer waits for this; the id by which the backend knows it.
    pub(crate) fn abort(&mut self, wire: u64) -> Option<u64> {
        self.listening.forget(wire);
        let current = match self.ways.get(&wire)? {
            Way::Forwarded(round) => round.id().unwrap_or(wire),
            _ => wire,
        };
        self.questions.retain(|_, about| *about != wire);
        self.forget(wire);
        Some(current)
    }

    fn forget(&mut self, wire: u64) {
        self.ways.remove(&wire);
        self.renamed.retain(|_, about| *about != wire);
    }

    /// Whose this id is; `None`: nobody's any more.
    pub(crate) fn owner(&self, id: u64) -> Option<Owner> {
        if self.listening.is(id) {
            return Some(Owner::Listening);
        }
        if let Some(wire) = self.renamed.get(&id) {
            return Some(Owner::Request(*wire));
        }
        (id < OWN_IDS).then_some(Owner::Request(id))
    }

    /// A request of the Connection failed on its way, as that will hear.
    pub(crate) fn failed(&mut self, wire: u64) {
        self.forget(wire);
    }

    /// The subscription under this id was lost; how many in a row were.
    pub(crate) fn listening_failed(&mut self, id: u64) -> (u32, Vec<Out>) {
        let out = self.listening.ended(id, End::Lost, self::id(&mut self.last));
        (self.listening.failures(), out)
    }

    /// The time of a [`Out::Later`] has come.
    pub(crate) fn again(&mut self) -> Vec<Out> {
        self.listening.refresh(id(&mut self.last))
    }

    /// What the backend says. `via`: the id of the request whose stream carried it.
    pub(crate) fn from_backend(&mut self, message: &Envelope, via: Option<u64>) -> Vec<Out> {
        match message.kind() {
            Kind::Result | Kind::Error => self.answered_by_backend(message),
            Kind::Notification => self.told_by_backend(message, via),
            Kind::Request => self.asked_by_backend(message),
        }
    }

    fn answered_by_backend(&mut self, message: &Envelope) -> Vec<Out> {
        let Some(known) = message.wire_id() else { return Vec::new() };
        let wire = match self.owner(known) {
            Some(Owner::Listening) => {
                let end = match message.error_code() {
                    Some(code) => End::Refused(code, "the server refuses the subscription".to_owned()),
                    None => End::Lost,
                };
                return self.listening.ended(known, end, id(&mut self.last));
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

    fn told_by_backend(&mut self, message: &Envelope, via: Option<u64>) -> Vec<Out> {
        let method = message.method().unwrap_or_default();
        if method == "notifications/cancelled" {
            let id = cancelled_request_id(message).and_then(number).filter(|id| self.listening.is(*id));
            return id
                .map_or_else(Vec::new, |id| self.listening.ended(id, End::Lost, self::id(&mut self.last)));
        }
        let named = subscription_id(message).and_then(number);
        if method == "notifications/subscriptions/acknowledged" {
            let params: Value =
                serde_json::from_slice(message.params().unwrap_or_default()).unwrap_or_default();
            let subscription = named.or(via);
            return subscription.map_or_else(Vec::new, |subscription| {
                self.listening.acknowledged(subscription, &params["notifications"], id(&mut self.last))
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

/// The next id of our own.
fn id(last: &mut u64) -> impl FnOnce() -> u64 + use<'_> {
    || {
        *last += 1;
        *last
    }
}

fn number(raw: &[u8]) -> Option<u64> {
    std::str::from_utf8(raw).ok()?.trim_matches('"').parse().ok()
}

fn uri(params: Option<&[u8]>) -> Option<String> {
    #[derive(Deserialize)]
    struct Params {
        uri: String,
    }
    Some(serde_json::from_slice::<Params>(params?).ok()?.uri)
}
