//! What follows from a replayed handshake: it is counted, logged, and the client is told.

use bytes::Bytes;
use tracing::Level;

use super::ConnectionState;
use super::announcement::Announcement;
use super::capabilities::Capabilities;
use super::handshake::Handshake;
use super::loss::Loss;
use crate::event::{EventKind, SupervisionEvent};
use crate::route::SessionEvent;
use crate::session_record::Stage;

/// So many names of what was lost fit into a log line.
const NAMED: usize = 20;

impl ConnectionState {
    /// The session goes on with this incarnation, with all it had been promised or without some of it.
    ///
    /// Comes before the Supervisor sends what waited: by the time a request is answered from an empty memory,
    /// the client's stream has said so. All who share the connection are told, each at its own log level.
    pub(super) fn replayed(&self, handshake: &Handshake) {
        let promised = Capabilities::of(&self.route.record().first_result);
        let now = Capabilities::of(handshake.answer.as_ref().unwrap_or(&Bytes::new()));
        let mut lost = promised.missing_in(&now);
        lost.truncate(NAMED);
        let failed: Vec<&str> = handshake.failed().iter().take(NAMED).copied().collect();
        let loss = self.route.loss_to_tell();
        let result = if lost.is_empty() && failed.is_empty() { "ok" } else { "partial" };
        self.metrics.replayed(result);
        let (key, reason) = (self.route.key(), loss.as_deref().map_or("unknown", Loss::reason));
        let what = |what: &str, names: String| {
            if names.is_empty() { names } else { format!("; {what}: {names}") }
        };
        let (text, level) = match result {
            "ok" => ("the session goes on".to_owned(), Level::INFO),
            _ => {
                let lost = what("lost capabilities", lost.join(", "));
                let failed = what("failed steps", failed.join(", "));
                (format!("the session goes on without some of what it had{lost}{failed}"), Level::WARN)
            }
        };
        self.tell_replayed(result, reason, text, level);
        let announcement = Announcement::new(&key.backend_id, &promised, &now, loss.as_deref());
        for session in self.route.listeners() {
            let record = session.record();
            // A client that has not said `initialized` yet has nothing that could have changed.
            if record.stage == Stage::Initialized {
                for message in announcement.at_level(record.log_level.as_deref()) {
                    session.deliver(SessionEvent::Message(message.clone()));
                }
            }
        }
    }

    /// The replay came to nothing; what follows is decided elsewhere.
    pub(super) fn replay_failed(&self, reason: &'static str) {
        self.metrics.replayed("failed");
        self.tell_replayed("failed", reason, "the handshake could not be replayed".to_owned(), Level::WARN);
    }

    fn tell_replayed(&self, result: &'static str, reason: &'static str, text: String, level: Level) {
        let event = self.event(EventKind::Replayed, text).because(reason).at_level(level);
        self.events.emit(SupervisionEvent { result: Some(result), ..event });
    }
}
