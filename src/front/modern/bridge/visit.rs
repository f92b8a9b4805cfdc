//! A client that shares the connection for the time of one request, since it wants a log level of its own.

use mcpvisor_actors::message::{Envelope, LogLevel};
use mcpvisor_actors::{EndCause, Launcher, Refusal, Route, SessionEvent, SessionSink};
use serde_json::json;
use tokio::time::timeout;

use crate::front::inbound::Inbound;
use crate::front::modern::key::Who;
use crate::front::modern::own;

/// Somebody who shares the connection for the time of one request.
pub(super) struct Visit(Route);

impl Visit {
    /// Joins those who share the connection.
    pub(super) fn begin(launcher: &Launcher, who: &Who) -> Result<Self, Refusal> {
        let sink = Box::new(Deaf);
        Ok(Self(launcher.listener(who.key.clone(), who.record.clone(), sink)?))
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
pub(super) async fn set_level(inbound: &Inbound<'_>, route: &Route, level: LogLevel) {
    let backend = inbound.front.launcher.backend(&inbound.face.name).ok();
    let patience = backend.map(|backend| backend.timeouts.probe).unwrap_or_default();
    // Refused, or not answered, the backend says what it likes; that is no reason not to do what was asked.
    let _ = timeout(patience, own::ask(route, "logging/setLevel", &json!({ "level": level.as_str() }))).await;
}

/// Whether a request that asked for `level` is told a log message. What has no level is for all.
pub(super) fn hears(level: LogLevel, message: &Envelope) -> bool {
    LogLevel::in_params(message.params()).is_none_or(|said| said >= level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_hears_what_it_asked_for_and_worse() {
        let log = |level: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
            );
            Envelope::parse(text.into()).unwrap()
        };
        let hears = |level: &str| hears(LogLevel::WARNING, &log(level));
        assert!(hears("warning") && hears("emergency") && hears("of its own") && !hears("info"));
    }
}
