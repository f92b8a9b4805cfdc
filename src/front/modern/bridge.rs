//! A request of a modern client, to a backend of the legacy era (`protocol.md`, "Modern client -> legacy backend").
//!
//! What the backend asks meanwhile becomes an answer of its own, `input_required`: the call is parked with the backend
//! still at work on it, and goes on when the client asks for the same once more and brings its answers along.

mod asks;
mod parking;
mod questions;
mod request;
mod result;
mod seal;
mod visit;

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{self, Envelope, Kind, cancelled_request_id, request_progress_token};
use mcpvisor_actors::{Era, Launcher, Refusal, Route};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::call::Call;
use super::checks::{METHOD_NOT_FOUND, MISSING_CAPABILITY};
use super::key::Who;
use super::meta::Meta;
use super::params;
use super::talk::{Said, Talk};
use crate::front::inbound::Inbound;
use crate::front::initialize::random_id;
use crate::front::rejection::{INTERNAL_ERROR, Rejection};
use asks::Asks;
pub(super) use asks::{no_seal, refuse_state};
pub(crate) use parking::Parking;
use questions::{Questions, opens_pages, undeclared};
use request::in_legacy_words;
pub(super) use result::Greeting;
use result::{Failure, answer, error, failure};
pub(crate) use seal::Seal;
#[cfg(feature = "fuzzing")]
pub(crate) use seal::State;
use visit::{Visit, hears, set_level};

/// Questions that come so close together are asked together.
const COLLECT: Duration = Duration::from_millis(20);

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
) -> Result<Talk, Rejection> {
    let (id, launcher) = (message.id_bytes().unwrap_or_default(), &inbound.front.launcher);
    let gone = |refusal: Refusal| Rejection::refused(Some(&id), StatusCode::NOT_FOUND, &refusal);
    let refused = |refusal: Refusal| Rejection::refused(Some(&id), StatusCode::OK, &refusal);
    let checked = async |route: &Route| {
        let checked = params::check(inbound, route, Era::Legacy, &meta, &message).await;
        checked.map_err(|wrong| wrong.reject(Some(&id)))
    };
    if message.method() == Some("server/discover") {
        let greeting = {
            let _alone = who.alone(launcher);
            greet(launcher, who).await.map_err(refused)?
        };
        return Ok(told(answer(&id, &greeting.discover_result())));
    }
    let asks = Asks::of(inbound, who, &message, &meta)?;
    if let Some(raw) = &meta.request_state {
        let state = asks.open(raw).map_err(|foreign| refuse_state(&id, foreign))?;
        if let Some(parked) = state.parked {
            let taken = asks.parking.take(parked.clone()).await;
            let (until, inner) = taken.ok_or_else(|| refuse_state(&id, false))?;
            if let Err(rejection) = checked(inner.call.route()).await {
                asks.parking.park(parked, inner, until);
                return Err(rejection);
            }
            return Ok(resume(inner, id, &message, meta.input_responses.as_deref().unwrap_or(b"{}")));
        }
    }
    let alone = who.alone(launcher);
    let visit = asks.level.map(|_| Visit::begin(launcher, who)).transpose().map_err(gone)?;
    let route = match &visit {
        Some(visit) => visit.route().clone(),
        None => who.route(launcher).map_err(gone)?,
    };
    checked(&route).await?;
    if let Some(level) = asks.level
        && greet(launcher, who).await.map_err(refused)?.has("logging")
    {
        set_level(inbound, &route, level).await;
    }
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
                let hears = self.asks.level.is_some_and(|level| hears(level, &envelope));
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
        if let Some(challenge) = self.call.challenge() {
            return Said::Refused(challenge.clone(), last.clone());
        }
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
        let state = self.asks.state(None);
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
    let state = inner.asks.state(parked.clone());
    let (Some(parked), Some(state)) = (parked, inner.asks.seal.close(&state)) else {
        let (status, told) = error(&id, INTERNAL_ERROR, "there are no random numbers", None);
        return Said::Last(status, told);
    };
    let (status, told) =
        answer(&id, &inner.asks.greeting().input_required(&inner.questions.requests(), &state));
    inner.call.route().set_parked(true);
    let parking = inner.asks.parking.clone();
    let until = Instant::now() + inner.asks.launcher.config().session.parked_ttl;
    parking.park(parked, inner, until);
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

/// What the backend says of itself, launched if need be.
pub(super) async fn greet(launcher: &Launcher, who: &Who) -> Result<Greeting, Refusal> {
    if let Some(answer) = launcher.greeting(&who.key) {
        return Ok(Greeting::of(&answer));
    }
    let attached = who.route(launcher)?.attach().await?;
    Ok(Greeting::of(&attached.answer))
}

fn missing_capability(id: &[u8], required: &Value) -> (StatusCode, Bytes) {
    let data = json!({ "requiredCapabilities": required });
    error(id, MISSING_CAPABILITY, "this takes a capability that the client has not declared", Some(&data))
}

fn told((status, answer): (StatusCode, Bytes)) -> Talk {
    told_as(Said::Last(status, answer))
}

fn told_as(said: Said) -> Talk {
    Talk::Told(Some(said))
}
