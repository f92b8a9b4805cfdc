//! A client that shares the connection for the time of one request, since it wants a log level of its own.

use mcpvisor_actors::{EndCause, Refusal, Route, SessionEvent, SessionSink};
use serde_json::json;
use tokio::time::timeout;

use super::levels::Level;
use crate::front::inbound::Inbound;
use crate::front::modern::key::Who;
use crate::front::modern::own;

/// Somebody who shares the connection for the time of one request.
pub(super) struct Visit(Route);

impl Visit {
    /// Joins those who share the connection.
    pub(super) fn begin(inbound: &Inbound<'_>, who: &Who) -> Result<Self, Refusal> {
        let sink = Box::new(Deaf);
        Ok(Self(inbound.front.launcher.listener(who.key.clone(), who.record.clone(), sink)?))
    }

    pub(super) fn route(&self) -> &Route {
        &self.0
    }
}

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

/// Asks for the level. What the backend says to that changes nothing.
pub(super) async fn set_level(inbound: &Inbound<'_>, route: &Route, level: Level) {
    let backend = inbound.front.launcher.backend(&inbound.face.name).ok();
    let patience = backend.map(|backend| backend.timeouts.probe).unwrap_or_default();
    // Refused, or not answered, the backend says what it likes; that is no reason not to do what was asked.
    let _ = timeout(patience, own::ask(route, "logging/setLevel", &json!({ "level": level.as_str() }))).await;
}
