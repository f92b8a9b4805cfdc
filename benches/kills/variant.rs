//! What becomes of a request whose server dies, as the backend's configuration says.

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use crate::common::message;

/// The tool of the calls that are answered at once, and its text.
pub(crate) const SHORT: &str = "echo";
/// The tool of the calls that are with the server for a while.
pub(crate) const LONG: &str = "sleep";
/// The tool that tells which process answered.
pub(crate) const PID: &str = "pid";
/// So long do they take, in milliseconds.
pub(crate) const LONG_MS: u64 = 300;
/// The name of the backend.
pub(crate) const BACKEND: &str = "killed";

/// The value of `retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Variant {
    /// Nothing is repeated: every request that was lost is told so.
    Never,
    /// The default. Both tools of the load are marked read-only, so that their calls are repeated.
    Safe,
}

impl Variant {
    pub(crate) const ALL: [Self; 2] = [Self::Never, Self::Safe];

    pub(crate) fn retry(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Safe => "safe",
        }
    }

    /// The configuration. Not the echo server of the round trips, which answers one call after the other: here
    /// calls overlap, so that something is with the server when it is killed.
    ///
    /// `quick`: every server is killed young, and nothing but the breaker would be tested.
    pub(crate) fn backend(self, fixture: &Path, quick: bool) -> String {
        let breaker = if quick { "limits.breaker_threshold = 1000000\n" } else { "" };
        format!(
            "[backends.{BACKEND}]\ncommand = {fixture:?}\nargs = [\"misbehave\", \"--read-only\", \"{LONG}\"]\n\
             retry = \"{}\"\n{breaker}",
            self.retry()
        )
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Short,
    Long,
    /// Asked by a session whose server was killed, until it is answered.
    Probe,
}

impl Kind {
    pub(crate) fn request(self, id: u64) -> String {
        match self {
            Self::Short => message::tool_call(id, SHORT, &format!(r#"{{"message":"message {id}"}}"#)),
            Self::Long => message::tool_call(id, LONG, &format!(r#"{{"ms":{LONG_MS}}}"#)),
            Self::Probe => message::tool_call(id, PID, "{}"),
        }
    }

    /// Whether that is the right answer.
    pub(crate) fn accepts(self, id: u64, text: &str) -> bool {
        match self {
            Self::Short => text.strip_prefix("message ").is_some_and(|number| number.parse() == Ok(id)),
            Self::Long => text == format!("slept {LONG_MS} ms"),
            Self::Probe => process_in(text).is_some(),
        }
    }
}

/// The process that an answer to a probe names.
pub(crate) fn process_in(text: &str) -> Option<u32> {
    serde_json::from_str::<serde_json::Value>(text).ok()?["pid"].as_u64()?.try_into().ok()
}
