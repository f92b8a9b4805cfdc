//! A request of a modern client, to a backend of the legacy era (`protocol.md`, "Modern client -> legacy backend").
//!
//! What the backend asks meanwhile becomes an answer of its own, `input_required`: the call is parked with the backend
//! still at work on it, and goes on when the client asks for the same once more and brings its answers along.

mod levels;
mod parking;
mod questions;
mod result;
mod seal;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{
    self, Envelope, Kind, cancelled_request_id, progress_token, request_progress_token,
};
use mcpvisor_actors::{EndCause, Launcher, Refusal, Route, SessionEvent, SessionSink};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::call::Call;
use super::checks::{INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY};
use super::key::{Alone, Who, canonical, digest};
use super::meta::Meta;
use super::own;
use super::talk::{Said, Talk};
use crate::front::fields::Fields;
use crate::front::inbound::Inbound;
use crate::front::initialize::random_id;
use crate::front::measure::count_auth_failure;
use crate::front::rejection::{INTERNAL_ERROR, Rejection};
use levels::Level;
pub(crate) use parking::Parking;
use questions::{Questions, opens_pages, undeclared};
pub(super) use result::Greeting;
use result::{Failure, answer, error, failure};
pub(crate) use seal::Seal;
use seal::State;

/// Questions that come so close together are asked together.
const COLLECT: Duration = Duration::from_millis(20);

/// What a request says of itself in the modern era, and the handshake has said in the other.
const OF_THE_ERA: [&str; 4] = [
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/logLevel",
];

/// The state of somebody else's call.
const FOREIGN_STATE: &str = "foreign_state";

/// One call, until it is answered or parked.
pub(crate) struct Bridge(Option<Box<Inner>>);

struct Inner {
    call: Call,
    questions: Questions,
    /// When those that have come are asked.
    ask_at: Option<Instant>,
    asks: Asks,
    /// Keeps the log level that was asked for.
    _visit: Option<Visit>,
}

/// What is known of the request.
struct Asks {
    launcher: Launcher,
    parking: Parking,
    seal: Arc<Seal>,
    state: State,
    who: mcpvisor_actors::ConnectionKey,
    method: String,
    uri: Option<String>,
    /// Raw JSON.
    capabilities: Bytes,
    level: Option<Level>,
    /// Progress tokens, raw JSON: the one the backend knows, and the one the client wants to see.
    tokens: Option<(Bytes, Option<Bytes>)>,
}

/// What a message of the backend comes to.
enum Heard {
    Nothing,
    Event(Bytes),
    /// It needs what the client has not declared.
    Undeclared(Value),
}

/// Sends the request, or goes on with the call that its state names.
pub(crate) async fn begin(
    inbound: &Inbound<'_>,
    who: &Who,
    message: Envelope,
    meta: Meta,
    alone: Option<Alone>,
) -> Result<Talk, Rejection> {
    let id = message.id_bytes().unwrap_or_default();
    if message.method() == Some("server/discover") {
        let greeting = greet(inbound, who).await;
        let greeting = greeting.map_err(|refusal| Rejection::refused(Some(&id), StatusCode::OK, &refusal))?;
        return Ok(told(answer(&id, &greeting.discover_result())));
    }
    let asks = Asks::of(inbound, who, &message, &meta, alone.is_some())?;
    if let Some(raw) = &meta.request_state {
        let state = asks.open(raw).map_err(|foreign| refuse_state(&id, foreign))?;
        if let Some(parked) = state.parked {
            let inner = asks.parking.take(parked).await;
            let inner = inner.ok_or_else(|| refuse_state(&id, false))?;
            return Ok(resume(inner, id, &message, meta.input_responses.as_deref().unwrap_or(b"{}")));
        }
    }
    let mut visit = None;
    let launcher = &inbound.front.launcher;
    let refused = |refusal: Refusal| Rejection::refused(Some(&id), StatusCode::NOT_FOUND, &refusal);
    let route = match asks.level {
        None => launcher.guest(who.key.clone(), who.record.clone()).map_err(refused)?,
        Some(level) => {
            let route =
                launcher.listener(who.key.clone(), who.record.clone(), Box::new(Deaf)).map_err(refused)?;
            visit = Some(Visit(route.clone()));
            let greeting = greet(inbound, who).await;
            let greeting =
                greeting.map_err(|refusal| Rejection::refused(Some(&id), StatusCode::OK, &refusal))?;
            if greeting.has("logging") {
                set_level(inbound, &route, level).await;
            }
            route
        }
    };
    let call = Call::send(&inbound.face, route, in_legacy_words(message)).alone(alone);
    let inner = Inner { call, questions: Questions::default(), ask_at: None, asks, _visit: visit };
    Ok(Talk::Bridge(Bridge(Some(Box::new(inner)))))
}

impl Bridge {
    /// What the client is told next. May be dropped and called again.
    pub(crate) async fn say(&mut self) -> Option<Said> {
        loop {
            let inner = self.0.as_mut()?;
            let next = match inner.ask_at {
                None => inner.call.next().await,
                Some(at) => match timeout_at(at, inner.call.next()).await {
                    Ok(next) => next,
                    Err(_) => return self.0.take().map(park),
                },
            };
            let Some((message, last)) = next else {
                self.0 = None;
                return None;
            };
            if last {
                return self.0.take().map(|inner| inner.conclude(&message));
            }
            match inner.hear(message) {
                Heard::Nothing => {}
                Heard::Event(event) => return Some(Said::Event(event)),
                // Dropped, the call is taken back.
                Heard::Undeclared(required) => return self.0.take().map(|inner| inner.undeclared(&required)),
            }
        }
    }
}

impl Inner {
    fn hear(&mut self, message: Bytes) -> Heard {
        let Ok(envelope) = Envelope::parse(message.clone()) else { return Heard::Event(message) };
        if envelope.kind() == Kind::Request {
            return self.asked(&envelope);
        }
        match envelope.method().unwrap_or_default() {
            "notifications/message" => {
                let hears = self.asks.level.is_some_and(|level| level.hears(&envelope));
                if hears { Heard::Event(message) } else { Heard::Nothing }
            }
            "notifications/progress" => self.asks.progress(&envelope).map_or(Heard::Nothing, Heard::Event),
            "notifications/cancelled" => {
                if let Some(id) = cancelled_request_id(&envelope) {
                    self.questions.withdraw(id);
                }
                if self.questions.is_empty() {
                    self.ask_at = None;
                }
                Heard::Nothing
            }
            // Told to those who listen; or of no meaning where no question has an id.
            "notifications/resources/updated" | "notifications/elicitation/complete" => Heard::Nothing,
            method if method.ends_with("/list_changed") => Heard::Nothing,
            _ => Heard::Event(message),
        }
    }

    fn asked(&mut self, question: &Envelope) -> Heard {
        if !matches!(self.asks.method.as_str(), "tools/call" | "prompts/get" | "resources/read") {
            self.refuse(
                question,
                INTERNAL_ERROR,
                "a client of 2026-07-28 cannot be asked during this request",
            );
            return Heard::Nothing;
        }
        if let Some(required) = undeclared(question, &self.asks.capabilities) {
            self.refuse(question, INTERNAL_ERROR, "the client has not declared the capability");
            return Heard::Undeclared(required);
        }
        if !self.questions.add(question) {
            self.refuse(question, METHOD_NOT_FOUND, "a client of 2026-07-28 cannot be asked this");
            return Heard::Nothing;
        }
        self.ask_at.get_or_insert_with(|| Instant::now() + COLLECT);
        Heard::Nothing
    }

    fn refuse(&self, question: &Envelope, code: i32, why: &str) {
        let refusal = message::error(question.id(), code, why, None);
        if let Ok(refusal) = Envelope::parse(refusal) {
            self.call.route().respond(refusal);
        }
    }

    fn conclude(&self, last: &Bytes) -> Said {
        let id = self.call.id();
        let Ok(envelope) = Envelope::parse(last.clone()) else {
            return Said::Last(StatusCode::OK, last.clone());
        };
        let body = envelope.body().unwrap_or_default();
        let (status, told) = match envelope.kind() {
            Kind::Error => match failure(body, self.asks.uri.as_deref()) {
                Failure::Same => {
                    let same = envelope.with_id(id);
                    (super::answer::status(&same), same)
                }
                Failure::Other { code, text, data } => error(id, code, &text, data.as_ref()),
                Failure::Open(pages) => self.open_pages(&pages),
            },
            _ => answer(id, &self.asks.greeting().complete(&self.asks.method, body)),
        };
        Said::Last(status, told)
    }

    /// The backend has given the request up, and wants it again once the user has been there.
    fn open_pages(&self, pages: &[(String, String)]) -> (StatusCode, Bytes) {
        if !opens_pages(&self.asks.capabilities) {
            return missing_capability(self.call.id(), &json!({ "elicitation": { "url": {} } }));
        }
        let question = |(message, url): &(String, String)| json!({ "method": "elicitation/create", "params": { "mode": "url", "message": message, "url": url } });
        let questions = pages.iter().enumerate().map(|(at, page)| (format!("r{}", at + 1), question(page)));
        let questions = Value::Object(questions.collect()).to_string();
        let state = State { parked: None, ..self.asks.state.clone() };
        match self.asks.seal.close(&state) {
            Some(state) => answer(self.call.id(), &self.asks.greeting().input_required(&questions, &state)),
            None => error(self.call.id(), INTERNAL_ERROR, "there are no random numbers", None),
        }
    }

    fn undeclared(&self, required: &Value) -> Said {
        let (status, told) = missing_capability(self.call.id(), required);
        Said::Last(status, told)
    }
}

/// Asks the client what the backend has asked, and keeps the call until it comes back with the answers.
fn park(mut inner: Box<Inner>) -> Said {
    inner.ask_at = None;
    let id = inner.call.id().clone();
    let parked = random_id();
    let state = State { parked: parked.clone(), ..inner.asks.state.clone() };
    let (Some(parked), Some(state)) = (parked, inner.asks.seal.close(&state)) else {
        let (status, told) = error(&id, INTERNAL_ERROR, "there are no random numbers", None);
        return Said::Last(status, told);
    };
    let (status, told) =
        answer(&id, &inner.asks.greeting().input_required(&inner.questions.requests(), &state));
    inner.call.route().set_parked(true);
    let parking = inner.asks.parking.clone();
    parking.park(parked, inner);
    Said::Last(status, told)
}

/// The client is back.
fn resume(mut inner: Box<Inner>, id: Bytes, message: &Envelope, responses: &[u8]) -> Talk {
    inner.call.rename(id);
    let Some(answers) = inner.questions.answers(responses) else { return told_as(park(inner)) };
    let known = inner.asks.tokens.take().map(|(known, _)| known);
    inner.asks.tokens =
        known.map(|known| (known, request_progress_token(message).map(Bytes::copy_from_slice)));
    // Before the backend can ask the next thing.
    inner.call.route().set_parked(false);
    for answer in answers {
        if let Ok(answer) = Envelope::parse(answer) {
            inner.call.route().respond(answer);
        }
    }
    inner.questions.clear();
    Talk::Bridge(Bridge(Some(inner)))
}

impl Asks {
    /// `alone`: every request has another key, and the next one comes back to this one all the same.
    fn of(
        inbound: &Inbound<'_>,
        who: &Who,
        message: &Envelope,
        meta: &Meta,
        alone: bool,
    ) -> Result<Self, Rejection> {
        let id = message.id();
        let method = message.method().unwrap_or_default().to_owned();
        let level = match &meta.log_level {
            None => None,
            Some(raw) => Some(Level::parse(raw).ok_or_else(|| {
                let text = "_meta[\"io.modelcontextprotocol/logLevel\"] is no level of the protocol";
                Rejection::answering(id, StatusCode::BAD_REQUEST, INVALID_PARAMS, text)
            })?),
        };
        let seal = inbound.front.seal.clone().ok_or_else(|| {
            let text = "there are no random numbers to seal the state of a call with";
            Rejection::answering(id, StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR, text)
        })?;
        let state = State {
            parked: None,
            key: if alone { inbound.face.name.to_string() } else { digest(who.key.to_string().as_bytes()) },
            principal: inbound.principal.to_string(),
            request: request_digest(&method, message.params().unwrap_or_default()),
        };
        let token = request_progress_token(message).map(Bytes::copy_from_slice);
        Ok(Self {
            launcher: inbound.front.launcher.clone(),
            parking: inbound.front.parking.clone(),
            seal,
            state,
            who: who.key.clone(),
            uri: meta.name.clone().filter(|_| method == "resources/read"),
            method,
            capabilities: meta.capabilities.clone().unwrap_or_default(),
            level,
            tokens: token.map(|token| (token.clone(), Some(token))),
        })
    }

    /// Opens what the client brought back. True in the error: it is somebody else's.
    fn open(&self, raw: &[u8]) -> Result<State, bool> {
        let text: String = serde_json::from_slice(raw).map_err(|_| false)?;
        let state = self.seal.open(&text).ok_or(false)?;
        if state.principal != self.state.principal {
            return Err(true);
        }
        let same = state.key == self.state.key && state.request == self.state.request;
        if same { Ok(state) } else { Err(false) }
    }

    fn greeting(&self) -> Greeting {
        self.launcher.greeting(&self.who).map(|answer| Greeting::of(&answer)).unwrap_or_default()
    }

    /// Progress under the token that the client has named last; `None`: it wants none.
    fn progress(&self, message: &Envelope) -> Option<Bytes> {
        let Some((known, wanted)) = &self.tokens else { return Some(message.bytes().clone()) };
        match progress_token(message) {
            Some(token) if token == &known[..] => Some(message.with_part(token, wanted.as_ref()?)),
            _ => Some(message.bytes().clone()),
        }
    }
}

/// What the backend says of itself, launched if need be.
pub(super) async fn greet(inbound: &Inbound<'_>, who: &Who) -> Result<Greeting, Refusal> {
    let launcher = &inbound.front.launcher;
    if let Some(answer) = launcher.greeting(&who.key) {
        return Ok(Greeting::of(&answer));
    }
    let attached = launcher.guest(who.key.clone(), who.record.clone())?.attach().await?;
    Ok(Greeting::of(&attached.answer))
}

async fn set_level(inbound: &Inbound<'_>, route: &Route, level: Level) {
    let backend = inbound.front.launcher.backend(&inbound.face.name).ok();
    let patience = backend.map(|backend| backend.timeouts.probe).unwrap_or_default();
    // Refused, or not answered, the backend says what it likes; that is no reason not to do what was asked.
    let _ = timeout(patience, own::ask(route, "logging/setLevel", &json!({ "level": level.as_str() }))).await;
}

/// The request as a client of the legacy era would send it: without what is between the client and us. Servers have been seen
/// to refuse a session's requests that name another revision than the session.
fn in_legacy_words(message: Envelope) -> Envelope {
    let Some(params) = message.params() else { return message };
    let Some(mut fields) = Fields::parse(params) else { return message };
    fields.remove("inputResponses");
    fields.remove("requestState");
    if let Some(mut meta) = fields.get("_meta").and_then(|meta| Fields::parse(meta.as_bytes())) {
        for key in OF_THE_ERA {
            meta.remove(key);
        }
        let meta = meta.to_string();
        if meta == "{}" {
            fields.remove("_meta");
        } else {
            fields.set("_meta", meta);
        }
    }
    let stripped = message.with_part(params, fields.to_string().as_bytes());
    Envelope::parse(stripped).unwrap_or(message)
}

/// Names a request but for what may differ the next time.
fn request_digest(method: &str, params: &[u8]) -> String {
    let mut params: Value = serde_json::from_slice(params).unwrap_or_default();
    if let Some(fields) = params.as_object_mut() {
        for key in ["_meta", "inputResponses", "requestState"] {
            fields.remove(key);
        }
    }
    digest(&[method.as_bytes(), b"\n", &canonical(&params)].concat())
}

fn missing_capability(id: &[u8], required: &Value) -> (StatusCode, Bytes) {
    let data = json!({ "requiredCapabilities": required });
    error(id, MISSING_CAPABILITY, "this takes a capability that the client has not declared", Some(&data))
}

fn refuse_state(id: &[u8], foreign: bool) -> Rejection {
    if foreign {
        count_auth_failure(FOREIGN_STATE);
    }
    let text = "requestState is not valid for this request: it was changed, used, or has expired";
    Rejection::answering(Some(id), StatusCode::OK, INVALID_PARAMS, text)
}

fn told((status, answer): (StatusCode, Bytes)) -> Talk {
    told_as(Said::Last(status, answer))
}

fn told_as(said: Said) -> Talk {
    Talk::Told(Some(said))
}

/// Somebody who shares the connection for the time of one request.
struct Visit(Route);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.end(EndCause::Delete);
    }
}

/// What is said to all is not for a single request.
struct Deaf;

impl SessionSink for Deaf {
    fn deliver(&self, _: SessionEvent) {}

    fn can_be_asked(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_same_whatever_it_brings_along() {
        let one = request_digest(
            "tools/call",
            br#"{"name":"a","arguments":{"x":1,"y":2},"_meta":{"progressToken":1}}"#,
        );
        let other = request_digest(
            "tools/call",
            br#"{"arguments":{"y":2,"x":1},"requestState":"s","inputResponses":{},"name":"a"}"#,
        );
        assert_eq!(one, other);
        assert_ne!(one, request_digest("tools/call", br#"{"name":"b","arguments":{"x":1,"y":2}}"#));
        assert_ne!(one, request_digest("prompts/get", br#"{"name":"a","arguments":{"x":1,"y":2}}"#));
    }

    #[test]
    fn the_backend_sees_a_request_of_its_own_era() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n":1.50,"requestState":"s","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7},"inputResponses":{}}}"#;
        let message = Envelope::parse(Bytes::from_static(text.as_bytes())).unwrap();
        let expected = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n":1.50,"_meta":{"progressToken":7}}}"#;
        assert_eq!(in_legacy_words(message).bytes(), expected);
    }
}
