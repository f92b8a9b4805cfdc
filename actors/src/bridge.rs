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
mod backend;
mod client;
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
use tokio::time::Instant;

use crate::message::{self, LogLevel};
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
    pub(crate) fn listening_failed(&mut self, id: u64, now: Instant) -> (u32, Vec<Out>) {
        let out = self.listening.ended(id, End::Lost, now, self::id(&mut self.last));
        (self.listening.failures(), out)
    }

    /// The time of a [`Out::Later`] has come.
    pub(crate) fn again(&mut self) -> Vec<Out> {
        self.listening.refresh(id(&mut self.last))
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
