//! Why an incarnation ended, or what went wrong in it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::credentials::Challenge;

/// One closed set of causes: it feeds errors, events, metrics and docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultReason {
    /// The process exited without being told to, with whatever code.
    Exit,
    /// The process was ended by a signal that mcpvisor did not send.
    Signal,
    /// The stream ended while the process lived on.
    Eof,
    /// A line that claims to be JSON-RPC and does not parse: an answer may be lost in it.
    Protocol,
    /// A message longer than `limits.max_message_bytes`.
    Oversize,
    /// The backend did not read for `timeouts.write`.
    WriteStalled,
    /// Silent past a request's timeout and past `timeouts.missed_pings` pings.
    Unresponsive,
    /// The process could not be started.
    Spawn,
    /// The handshake was answered with an error, or not as the protocol says.
    Handshake,
    /// `timeouts.launch` passed before the handshake was answered.
    LaunchTimeout,
    /// The upstream could not be reached.
    HttpConnect,
    /// The upstream answered one request with an HTTP error, or cut its answer short.
    HttpStatus,
    /// A bug of ours: an actor panicked.
    Panic,
    /// Reported by the embedding program through `record_error`.
    External,
}

impl FaultReason {
    /// Every reason, for metrics that start at zero.
    pub const ALL: [Self; 14] = [
        Self::Exit,
        Self::Signal,
        Self::Eof,
        Self::Protocol,
        Self::Oversize,
        Self::WriteStalled,
        Self::Unresponsive,
        Self::Spawn,
        Self::Handshake,
        Self::LaunchTimeout,
        Self::HttpConnect,
        Self::HttpStatus,
        Self::Panic,
        Self::External,
    ];

    /// The name used in errors, events, metric labels and docs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Eof => "eof",
            Self::Protocol => "protocol",
            Self::Oversize => "oversize",
            Self::WriteStalled => "write_stalled",
            Self::Unresponsive => "unresponsive",
            Self::Spawn => "spawn",
            Self::Handshake => "handshake",
            Self::LaunchTimeout => "launch_timeout",
            Self::HttpConnect => "http_connect",
            Self::HttpStatus => "http_status",
            Self::Panic => "panic",
            Self::External => "external",
        }
    }
}

impl fmt::Display for FaultReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The cause.
    pub reason: FaultReason,
    /// The exit code, where the process ended by itself.
    pub exit_code: Option<i32>,
    /// The signal, where one ended the process.
    pub signal: Option<i32>,
    /// For people: what happened, without secrets.
    pub detail: String,
    /// No restart can help (command not found, credentials refused).
    pub fatal: bool,
    /// The end of the child's standard error, where there is one.
    pub stderr_tail: Option<String>,
    /// It is the client's, whose credentials were refused, and nobody else's.
    pub challenge: Option<Arc<Challenge>>,
}

impl Fault {
    /// A fault of `reason`, described by `detail`.
    pub fn new(reason: FaultReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            exit_code: None,
            signal: None,
            detail: detail.into(),
            fatal: false,
            stderr_tail: None,
            challenge: None,
        }
    }

    /// The server will not have what the client has shown.
    pub(crate) fn unauthorized(challenge: Challenge) -> Self {
        let text = format!("HTTP status {}: it refuses the credentials of the client", challenge.status);
        Self { challenge: Some(challenge.into()), ..Self::new(FaultReason::HttpStatus, text) }
    }

    /// The same, beyond the help of a restart.
    pub fn fatal(mut self) -> Self {
        self.fatal = true;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_errors_is_the_name_in_metrics() {
        for reason in FaultReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
