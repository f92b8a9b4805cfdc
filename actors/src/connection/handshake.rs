//! The handshake of an incarnation: the client's own at first, its replay after a restart. Pure.

use std::collections::VecDeque;

use bytes::Bytes;
use mcpvisor_config::Backend;
use serde_json::json;

use crate::era::{Era, MODERN_VERSION};
use crate::fault::{Fault, FaultReason};
use crate::message::{self, Envelope, Kind};
use crate::session_record::{SessionRecord, Stage, protocol_version};

/// The newest version with a handshake; what mcpvisor offers when it speaks for itself.
const OWN_VERSION: &str = "2025-11-25";

/// What `initialize` was answered with.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The handshake stands, in this version.
    Established(String),
    /// The client's own first `initialize` was answered with an error: that is the client's to see.
    Refused,
    /// A replay was answered with another version.
    VersionChanged(String),
    /// As good as no answer.
    Failed(Fault),
}

/// One message of the handshake after `initialize`.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// `notifications/initialized`
    Initialized,
    /// A request whose answer must come before the session goes on.
    Request(&'static str, Bytes),
}

/// What still has to be said.
pub(super) struct Handshake {
    era: Era,
    initialize: Bytes,
    version: Option<String>,
    own: bool,
    steps: VecDeque<Step>,
    /// The request of ours that waits for its answer.
    pub(super) waiting: Option<u64>,
    /// What `initialize` was answered with, once it was.
    pub(super) answer: Option<Bytes>,
    /// The step that waits for its answer.
    step: Option<&'static str>,
    failed: Vec<&'static str>,
}

impl Handshake {
    /// `own`: mcpvisor speaks for itself and goes through all of it.
    pub(super) fn new(record: &SessionRecord, own: bool) -> Self {
        let mut steps = VecDeque::new();
        let legacy = record.era == Era::Legacy;
        if legacy && (own || record.stage == Stage::Initialized) {
            steps.push_back(Step::Initialized);
            steps.extend(
                record.log_level.iter().map(|level| Step::Request("logging/setLevel", level.clone())),
            );
            let subscribe = |params: &Bytes| Step::Request("resources/subscribe", params.clone());
            steps.extend(record.subscriptions.iter().map(subscribe));
        }
        let version = record.protocol_version();
        let (waiting, answer, step, failed) = Default::default();
        let era = record.era;
        Self {
            era,
            initialize: record.initialize.clone(),
            version,
            own,
            steps,
            waiting,
            answer,
            step,
            failed,
        }
    }

    /// Whether the session was served before, by another incarnation.
    pub(super) fn is_replay(&self) -> bool {
        self.version.is_some()
    }

    /// The client's own `initialize`, but for the id.
    pub(super) fn initialize(&mut self, id: u64) -> Result<Bytes, Fault> {
        self.waiting = Some(id);
        let envelope = Envelope::parse(self.initialize.clone()).map_err(|error| {
            Fault::new(FaultReason::Handshake, format!("the stored initialize is not usable: {error}"))
        })?;
        Ok(envelope.with_id(id.to_string().as_bytes()))
    }

    /// Reads the answer to `initialize`.
    pub(super) fn verdict(&mut self, answer: &Envelope) -> Verdict {
        self.waiting = None;
        self.answer = Some(answer.bytes().clone());
        let first = self.version.is_none();
        if answer.kind() == Kind::Error {
            if first && !self.own {
                return Verdict::Refused;
            }
            let error = String::from_utf8_lossy(answer.body().unwrap_or_default()).into_owned();
            return Verdict::Failed(Fault::new(
                FaultReason::Handshake,
                format!("{} was answered with {error}", self.era.opening()),
            ));
        }
        let version = match self.era {
            Era::Legacy => protocol_version(answer.bytes()),
            Era::Modern => Some(MODERN_VERSION.to_owned()),
        };
        let Some(version) = version else {
            let text = "the answer to initialize has no protocolVersion";
            return Verdict::Failed(Fault::new(FaultReason::Handshake, text));
        };
        match &self.version {
            Some(before) if *before != version => Verdict::VersionChanged(version),
            _ => Verdict::Established(version),
        }
    }

    /// What to say next; `None`: all is said.
    pub(super) fn next(&mut self) -> Option<Step> {
        let next = self.steps.pop_front();
        self.step = match &next {
            Some(Step::Request(method, _)) => Some(method),
            _ => None,
        };
        next
    }

    /// The step that waited is over. One that failed is no reason to lose the session.
    pub(super) fn step_over(&mut self, done: bool) {
        self.waiting = None;
        self.failed.extend(self.step.take().filter(|_| !done));
    }

    /// There is no time for the rest.
    pub(super) fn give_up_steps(&mut self) {
        self.step_over(false);
        while self.next().is_some() {
            self.step_over(false);
        }
    }

    /// The steps that came to nothing.
    pub(super) fn failed(&self) -> &[&'static str] {
        &self.failed
    }
}

/// The `initialize` of connections that are not a client's own.
pub(crate) fn own_initialize(backend: &Backend) -> Bytes {
    let profile = &backend.client_profile;
    message::request(
        0,
        "initialize",
        &json!({
            "protocolVersion": OWN_VERSION,
            "capabilities": profile.capabilities,
            "clientInfo": { "name": profile.name, "version": profile.version },
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stage: Stage) -> SessionRecord {
        let mut record = SessionRecord::new("p", message::request(9, "initialize", &json!({"x": 1.50})));
        record.stage = stage;
        record.log_level = Some(Bytes::from_static(b"{\"level\":\"info\"}"));
        record
    }

    fn answer(body: &str) -> Envelope {
        Envelope::parse(format!(r#"{{"jsonrpc":"2.0","id":1,{body}}}"#).into_bytes().into()).unwrap()
    }

    #[test]
    fn a_replay_stops_where_the_client_had_got_to() {
        assert_eq!(Handshake::new(&record(Stage::Answered), false).next(), None);
        let mut full = Handshake::new(&record(Stage::Initialized), false);
        assert_eq!(full.next(), Some(Step::Initialized));
        assert!(matches!(full.next(), Some(Step::Request("logging/setLevel", _))));
        assert_eq!(full.next(), None);
    }

    #[test]
    fn steps_that_fail_are_remembered_and_the_rest_is_still_said() {
        let mut before = record(Stage::Initialized);
        before.subscriptions = [&b"{\"uri\":\"a\"}"[..], b"{\"uri\":\"b\"}"].map(Bytes::from_static).into();
        let mut replay = Handshake::new(&before, false);
        assert_eq!(replay.next(), Some(Step::Initialized));
        replay.next();
        replay.step_over(true);
        replay.next();
        replay.step_over(false);
        assert!(matches!(replay.next(), Some(Step::Request("resources/subscribe", _))));
        assert_eq!(replay.failed(), ["resources/subscribe"]);

        let mut hangs = Handshake::new(&before, false);
        hangs.next();
        hangs.next();
        hangs.give_up_steps();
        assert_eq!(hangs.next(), None);
        assert_eq!(hangs.failed(), ["logging/setLevel", "resources/subscribe", "resources/subscribe"]);
    }

    #[test]
    fn only_a_session_that_was_served_before_is_replayed() {
        let mut record = record(Stage::New);
        assert!(!Handshake::new(&record, false).is_replay() && !Handshake::new(&record, true).is_replay());
        record.first_result = answer(r#""result":{"protocolVersion":"2025-06-18"}"#).bytes().clone();
        assert!(Handshake::new(&record, false).is_replay());
    }

    #[test]
    fn an_error_to_the_clients_own_first_initialize_is_the_clients_to_see() {
        let error = answer(r#""error":{"code":-1,"message":"no"}"#);
        assert_eq!(Handshake::new(&record(Stage::New), false).verdict(&error), Verdict::Refused);
        assert!(matches!(Handshake::new(&record(Stage::New), true).verdict(&error), Verdict::Failed(_)));
    }

    #[test]
    fn a_replay_in_another_version_is_no_replay() {
        let now = answer(r#""result":{"protocolVersion":"2025-06-18"}"#);
        let mut before = record(Stage::Initialized);
        before.first_result = answer(r#""result":{"protocolVersion":"2025-11-25"}"#).bytes().clone();
        let verdict = Handshake::new(&before, false).verdict(&now);
        assert_eq!(verdict, Verdict::VersionChanged("2025-06-18".into()));
        assert_eq!(
            Handshake::new(&record(Stage::New), false).verdict(&now),
            Verdict::Established("2025-06-18".into())
        );
    }
}
