//! What is known of a session, apart from any connection: enough to replay it.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::credentials::Credentials;
use crate::era::{Era, MODERN_VERSION};
use crate::message::Envelope;
use crate::supervisor::Budget;

/// How far the client has taken the handshake; a replay stops here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing was answered yet.
    #[default]
    New,
    /// `initialize` has been answered.
    Answered,
    /// The client has sent `notifications/initialized`.
    Initialized,
}

/// One small serialisable value that belongs to the session and travels with each get-or-launch.
///
/// A session outlives its connections: eviction, a crash, a stop at the error limit, even the loss of
/// the Registry end a connection and leave this.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Who the session belongs to.
    pub principal: String,
    /// How the backend is spoken to.
    #[serde(default)]
    pub era: Era,
    /// The client's `initialize` request, byte for byte; empty = mcpvisor speaks for itself. In the modern era the
    /// `server/discover` that stands in its place.
    pub initialize: Bytes,
    /// The first answer to it, byte for byte.
    pub first_result: Bytes,
    /// How far the client got.
    pub stage: Stage,
    /// The client's last successful `logging/setLevel`, as params.
    pub log_level: Option<Bytes>,
    /// The params of each resource subscription that stands.
    pub subscriptions: BTreeSet<Bytes>,
    /// What its client has shown last to a server that is to see it. It is not written down.
    #[serde(skip)]
    pub credentials: Option<Credentials>,
    /// The errors of its connection that count.
    #[serde(default)]
    pub(crate) budget: Budget,
}

impl SessionRecord {
    /// A new session of `principal` whose client sent `initialize`.
    pub fn new(principal: impl Into<String>, initialize: Bytes) -> Self {
        Self { principal: principal.into(), initialize: on_its_own(&initialize), ..Self::default() }
    }

    /// The same, of a client that has shown this.
    #[must_use]
    pub fn with_credentials(self, credentials: Option<Credentials>) -> Self {
        Self { credentials, ..self }
    }

    /// The same, for a backend that is spoken to in `era`.
    #[must_use]
    pub fn in_era(self, era: Era) -> Self {
        Self { era, ..self }
    }

    /// The same, as of a client that has got so far.
    #[must_use]
    pub fn at_stage(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    /// The negotiated protocol version, once there is an answer.
    pub fn protocol_version(&self) -> Option<String> {
        if self.era == Era::Modern {
            return (!self.first_result.is_empty()).then(|| MODERN_VERSION.to_owned());
        }
        protocol_version(&self.first_result)
    }

    /// Takes note of the first answer to `initialize`; later ones change nothing.
    pub(crate) fn first_answer(&mut self, answer: &Bytes) {
        if self.first_result.is_empty() {
            self.first_result = on_its_own(answer);
            self.stage = self.stage.max(Stage::Answered);
        }
    }

    /// Takes note of a request that was answered with a result. True if the record changed.
    pub fn answered(&mut self, method: &str, params: Option<&[u8]>) -> bool {
        let params = Bytes::copy_from_slice(params.unwrap_or_default());
        match method {
            "logging/setLevel" => self.log_level.replace(params.clone()) != Some(params),
            "resources/subscribe" => self.subscriptions.insert(params),
            "resources/unsubscribe" => {
                let gone = uri(&params);
                let before = self.subscriptions.len();
                self.subscriptions.retain(|other| gone.is_none() || uri(other) != gone);
                before != self.subscriptions.len()
            }
            _ => false,
        }
    }

    /// Whether an answer to `method` can change the record.
    pub fn concerns(method: &str) -> bool {
        matches!(method, "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe")
    }
}

/// The bytes alone. A message is a slice of the buffer it was read into, which would be kept with it as long as the session lasts.
fn on_its_own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// `result.protocolVersion` of an answer to `initialize`.
pub(crate) fn protocol_version(answer: &Bytes) -> Option<String> {
    #[derive(Deserialize)]
    struct InitializeResult {
        #[serde(rename = "protocolVersion")]
        protocol_version: String,
    }
    let answer = Envelope::parse(answer.clone()).ok()?;
    let result: InitializeResult = serde_json::from_slice(answer.body()?).ok()?;
    Some(result.protocol_version)
}

fn uri(params: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Subscription {
        uri: String,
    }
    serde_json::from_slice::<Subscription>(params).ok().map(|params| params.uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_survives_being_written_down() {
        let mut record = SessionRecord::new("alice", Bytes::from_static(b"{}"));
        record.stage = Stage::Initialized;
        record.answered("resources/subscribe", Some(br#"{"uri":"a"}"#));
        let back: SessionRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(back, record);
    }

    #[test]
    fn an_unsubscribe_takes_back_the_subscription_of_that_uri_only() {
        let mut record = SessionRecord::default();
        record.answered("resources/subscribe", Some(br#"{"uri":"a"}"#));
        record.answered("resources/subscribe", Some(br#"{"uri":"b"}"#));
        assert!(record.answered("resources/unsubscribe", Some(br#"{ "uri": "a" }"#)));
        assert_eq!(record.subscriptions.len(), 1);
        assert!(!record.answered("tools/list", None));
    }

    #[test]
    fn the_last_log_level_counts() {
        let mut record = SessionRecord::default();
        assert!(record.answered("logging/setLevel", Some(br#"{"level":"info"}"#)));
        assert!(!record.answered("logging/setLevel", Some(br#"{"level":"info"}"#)));
        assert!(record.answered("logging/setLevel", Some(br#"{"level":"debug"}"#)));
        assert_eq!(record.log_level.as_deref(), Some(&br#"{"level":"debug"}"#[..]));
    }
}
