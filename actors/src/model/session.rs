//! One client session, as a front holds it, or one key that the library was asked for.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ledger::{Request, Way, ledger};
use super::world::NARROW;
use crate::connection_handle::ConnectionHandle;
use crate::error::Refusal;
use crate::launcher::Launcher;
use crate::message::{self, Envelope};
use crate::pending::{Answer, Exchange};
use crate::route::{Attached, Route, SessionEvent, SessionSink};
use crate::session_record::SessionRecord;

/// A request of a child that waits at a client.
pub(super) struct Question {
    pub(super) session: usize,
    /// As the client knows it, raw JSON.
    pub(super) id: Bytes,
}

pub(super) struct Session {
    pub(super) number: usize,
    pub(super) backend: &'static str,
    /// The session part of its key, unless it shares one.
    pub(super) name: String,
    /// Asked for through the library; there are no clients then.
    pub(super) library: bool,
    pub(super) route: Option<Route>,
    attaching: Option<AbortHandle>,
    /// `initialize` was answered with a result.
    pub(super) open: bool,
    /// It is over: its requests are refused.
    pub(super) over: bool,
    ids: u64,
}

/// Writes down what the tree tells a session.
struct Ear(usize);

impl SessionSink for Ear {
    fn deliver(&self, event: SessionEvent) {
        ledger(|ledger| ledger.delivered(self.0, &event));
    }
}

impl Session {
    /// A client whose `initialize` has just arrived.
    pub(super) fn of_client(number: usize, backend: &'static str, launcher: &Launcher) -> Self {
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
        let record = SessionRecord::new("p", message::request(0, "initialize", &params));
        let name = format!("client-{number}");
        let route = launcher.route(backend, &name, record, Box::new(Ear(number)));
        Self { route: route.ok(), ..Self::of_library(number, backend, name, false) }
    }

    pub(super) fn of_library(number: usize, backend: &'static str, name: String, library: bool) -> Self {
        let (open, over) = (false, false);
        Self { number, backend, name, library, route: None, attaching: None, open, over, ids: 0 }
    }

    /// Gets or launches; the answer is found in the ledger.
    pub(super) fn attach(&mut self, launcher: &Launcher) {
        let number = self.number;
        let attached = move |answer: Result<(Attached, Option<Route>), Refusal>| {
            ledger(|ledger| {
                let what = answer.as_ref().err().map_or("ok", Refusal::kind);
                ledger.note(format_args!("session {number} is attached: {what}"));
                ledger.attached.push((number, answer));
            });
        };
        let task = match (&self.route, self.library) {
            (Some(route), false) => {
                let route = route.clone();
                tokio::spawn(async move { attached(route.attach().await.map(|answer| (answer, None))) })
            }
            _ => {
                let (launcher, backend, name) = (launcher.clone(), self.backend, self.name.clone());
                tokio::spawn(async move {
                    let handle = match name == crate::key::SHARED {
                        true => launcher.get_or_launch(backend).await,
                        false => launcher.get_or_launch_for_session(backend, &name).await,
                    };
                    let answer = |handle: ConnectionHandle| {
                        (Attached { answer: Bytes::new(), accepted: true }, Some(handle.route().clone()))
                    };
                    attached(handle.map(answer));
                })
            }
        };
        self.attaching = Some(task.abort_handle());
    }

    pub(super) fn is_attaching(&self) -> bool {
        self.attaching.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// The client goes away before its `initialize` is answered.
    pub(super) fn give_up(&mut self) {
        if let Some(task) = self.attaching.take() {
            task.abort();
        }
    }

    /// Sends a request; that it is answered, and how, is for the ledger.
    pub(super) fn request(&mut self, method: &str, params: &str, safe: bool, same_id: bool) {
        let Some(route) = self.route.clone() else { return };
        if !same_id || self.ids == 0 {
            self.ids += 1;
        }
        // Both types of JSON that an id may have.
        let id = if self.ids.is_multiple_of(3) { format!("\"c{}\"", self.ids) } else { self.ids.to_string() };
        let most = if safe && self.backend != NARROW { 2 } else { 1 };
        let tag = ledger(|ledger| ledger.requests.len());
        let token = params.contains("TOKEN").then(|| format!("\"token {tag}\""));
        let params = params.replace("TOKEN", token.as_deref().unwrap_or_default());
        let (number, way) = (self.number, way(&route));
        ledger(|ledger| {
            // Either of them may be the one that is refused: it depends on which of them arrives first.
            let in_use =
                |other: &&mut Request| other.session == number && other.id == id && !other.is_answered();
            let duplicate =
                ledger.requests.iter_mut().filter(in_use).map(|other| other.duplicate = true).count() > 0;
            ledger.note(format_args!("session {number} sends request {tag}, {method} {id}"));
            ledger.requests.push(Request {
                session: number,
                id: id.clone(),
                token,
                most,
                sent: Instant::now(),
                since: Instant::now(),
                way,
                duplicate,
                cancelled: None,
                moved: false,
                writes: Vec::new(),
                answered: None,
            });
        });
        // A field that no SDK knows: it is for the child and the ledger.
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params},"tag":{tag}}}"#);
        let Ok(request) = Envelope::parse(text.into()) else { return };
        let exchange = route.request(request);
        tokio::spawn(async move {
            let Some(answer) = answer(tag, exchange).await else {
                return ledger(|ledger| ledger.wrong(format!("request {tag} is never answered")));
            };
            ledger(|ledger| ledger.answered(tag, answer));
        });
    }

    /// Takes back a request by its id (raw JSON).
    pub(super) fn cancel(&self, id: &str) {
        self.notify("notifications/cancelled", &format!(r#"{{"requestId":{id}}}"#));
    }

    pub(super) fn notify(&self, method: &str, params: &str) {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        if let (Some(route), Ok(message)) = (&self.route, Envelope::parse(text.into())) {
            route.notify(message);
        }
    }

    /// Answers a request of the child (raw JSON id).
    pub(super) fn respond(&self, id: &[u8]) {
        if let (Some(route), Ok(message)) = (&self.route, Envelope::parse(message::empty_result(id))) {
            route.respond(message);
        }
    }
}

async fn answer(tag: usize, exchange: oneshot::Receiver<Exchange>) -> Option<Answer> {
    match exchange.await.ok()? {
        Exchange::Answer(answer) => Some(answer),
        Exchange::Stream(mut stream) => {
            while let Some(message) = stream.preceding.recv().await {
                ledger(|ledger| ledger.preceded(tag, message));
            }
            stream.answer.await.ok()
        }
    }
}

/// As a route finds it.
fn way(route: &Route) -> Way {
    let place = route.place();
    let up = |status: ractor::ActorStatus| status < ractor::ActorStatus::Draining;
    if let Some(connection) = place.connection.load().as_ref().filter(|one| up(one.get_status())) {
        return Way::Connection(connection.get_id());
    }
    match place.supervisor.load().as_ref().filter(|one| up(one.get_status())) {
        Some(supervisor) => Way::Supervisor(supervisor.get_id()),
        None => Way::Registry,
    }
}
