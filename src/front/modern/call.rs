//! A request of a modern client, to a backend that speaks as it does: passed as it came.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::message::{self, Envelope};
use mcpvisor_actors::{Challenge, Route};
use serde_json::json;

use super::answer;
use super::bound::Bound;
use super::key::Alone;
use super::talk::Said;
use crate::front::events::Source;
use crate::front::face::Face;
use crate::front::measure::Operation;
use crate::front::version::Version;
use crate::telemetry::traces::RequestTrace;

/// One request, until its answer was taken. Dropped before, it takes the request back.
pub(crate) struct Call {
    route: Route,
    id: Bytes,
    source: Source,
    answered: bool,
    /// It asks which revisions it may speak.
    discovers: bool,
    /// Ends the connection with the call, if nobody else uses it.
    alone: Option<Alone>,
    /// Keeps what the backend gives it to remember for this principal.
    bound: Option<Bound>,
}

impl Call {
    /// Sends the request on its way.
    pub(crate) fn send(face: &Arc<Face>, route: Route, message: Envelope) -> Self {
        let operation = Operation::begin(face, message.method(), Version::V2026_07_28);
        let operation = operation.of_tool(route.tool_label(&message));
        let version = Version::V2026_07_28.as_str();
        let (message, trace) = RequestTrace::begin(message, route.key(), version, Some(face));
        let operation = operation.traced(trace);
        let id = message.id_bytes().unwrap_or_else(|| Bytes::from_static(b"null"));
        let discovers = message.method() == Some("server/discover");
        let source = Source::new(route.request(message), id.clone(), operation, None);
        Self { route, id, source, answered: false, discovers, alone: None, bound: None }
    }

    /// The same on a connection that ends with it.
    pub(crate) fn alone(self, alone: Option<Alone>) -> Self {
        let mut call = self;
        call.alone = alone;
        call
    }

    /// The same with a state that is for one principal.
    pub(super) fn bound(self, bound: Option<Bound>) -> Self {
        let mut call = self;
        call.bound = bound;
        call
    }

    pub(crate) fn route(&self) -> &Route {
        &self.route
    }

    /// Why the answer has a status of its own, once it is there.
    pub(crate) fn challenge(&self) -> Option<&Arc<Challenge>> {
        self.source.challenge()
    }

    /// The client's id, raw JSON.
    pub(crate) fn id(&self) -> &Bytes {
        &self.id
    }

    /// Somebody asks for the same once more, under another id.
    pub(crate) fn rename(&mut self, id: Bytes) {
        self.id = id;
    }

    /// The next message of the backend, and whether it is the last one; `None` after that. May be dropped and called
    /// again.
    pub(crate) async fn next(&mut self) -> Option<(Bytes, bool)> {
        if self.answered {
            return None;
        }
        let message = poll_fn(|cx| self.source.poll_message(cx)).await;
        let Some(message) = message else {
            self.answered = true;
            return None;
        };
        self.answered = self.source.is_answered();
        Some((message, self.answered))
    }

    /// What the client is told next.
    pub(crate) async fn say(&mut self) -> Option<Said> {
        let (message, last) = self.next().await?;
        let message = if last && self.discovers { answer::with_every_version(&message) } else { message };
        let message = match &self.bound {
            Some(bound) if last => bound.close(message),
            _ => message,
        };
        if let Some(challenge) = self.challenge().filter(|_| last) {
            return Some(Said::Refused(challenge.clone(), message));
        }
        Some(if last { Said::Last(answer::status(&message), message) } else { Said::Event(message) })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        take_back(&self.route, self.source.id());
    }
}

/// Tells the backend that nobody waits any more for the answer to the request with this id (raw JSON) on this route.
pub(super) fn take_back(route: &Route, id: &[u8]) {
    let id: serde_json::Value = serde_json::from_slice(id).unwrap_or_default();
    let params = json!({ "requestId": id, "reason": "the client has gone" });
    let cancel = message::notification("notifications/cancelled", Some(params));
    if let Ok(cancel) = Envelope::parse(cancel) {
        route.notify(cancel);
    }
}
