//! The session that follows one that was lost: asked for until it is there, and told what the one before had been told.

use mcpvisor_actors::message::{self, Envelope, Kind};
use mcpvisor_actors::{Era, SessionRecord};
use tokio::time::Instant;

use super::State;
use crate::app::Failure;
use crate::cli::connect::bridge::{Bridge, complain};
use crate::cli::connect::requests::For;

/// What has a list that clients keep.
const LISTS: [&str; 3] = ["tools", "prompts", "resources"];

impl Bridge {
    /// The next attempt, if it is due.
    pub(in crate::cli::connect) fn retry_session(&mut self, now: Instant) {
        if self.session.retry_at.is_none_or(|at| at > now) {
            return;
        }
        self.session.retry_at = None;
        let Ok(initialize) = Envelope::parse(self.session.record.initialize.clone()) else { return };
        if let Some(wire) = self.requests.add(initialize, Era::Legacy, For::Session) {
            self.send(wire);
        }
    }

    /// The session that follows was refused: it is asked for again.
    pub(in crate::cli::connect) fn session_refused(&mut self, wire: u64, cause: &str) {
        self.requests.remove(wire);
        tracing::debug!(cause, "no session yet");
        self.session.link = None;
        self.session.retry_at = Some(Instant::now() + self.wait());
    }

    /// The session that follows is there, or not.
    pub(in crate::cli::connect) fn session_answered(&mut self, wire: u64, answer: &Envelope) {
        if answer.kind() != Kind::Result {
            let cause = String::from_utf8_lossy(answer.body().unwrap_or_default()).into_owned();
            return self.session_refused(wire, &cause);
        }
        self.requests.remove(wire);
        let mut followed = SessionRecord::default();
        followed.first_result = answer.bytes().clone();
        let (before, now) = (self.session.record.protocol_version(), followed.protocol_version());
        if before != now {
            let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
            let text = format!("'{}' came back with {now}, and this client speaks {before}", self.place.name);
            self.failure = Some(Failure::Runtime(anyhow::anyhow!(text)));
            return;
        }
        (self.session.state, self.session.attempts) = (State::Open, 0);
        complain(&format!("{} is back", self.place.name));
        self.establish();
        self.replay();
        self.flush();
    }

    /// Tells the new session what the one before had been told, and the client what may have changed.
    fn replay(&mut self) {
        let record = self.session.record.clone();
        let level = record.log_level.iter().map(|params| ("logging/setLevel", params));
        let subscriptions = record.subscriptions.iter().map(|params| ("resources/subscribe", params));
        for (method, params) in level.chain(subscriptions) {
            let params = String::from_utf8_lossy(params);
            let text = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"{method}","params":{params}}}"#);
            let Ok(request) = Envelope::parse(text.into()) else { continue };
            if let Some(wire) = self.requests.add(request, Era::Legacy, For::Nobody) {
                self.send(wire);
            }
        }
        let first: serde_json::Value = serde_json::from_slice(&record.first_result).unwrap_or_default();
        for list in LISTS {
            if first["result"]["capabilities"][list]["listChanged"] == true {
                let said = message::notification(&format!("notifications/{list}/list_changed"), None);
                self.out.say(said, None);
            }
        }
    }
}
