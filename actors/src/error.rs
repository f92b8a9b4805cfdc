//! Every way in which a request can be refused or fail at mcpvisor, as a client sees it.

mod overload;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::credentials::Challenge;
use crate::fault::Fault;

pub use overload::Overload;

/// Why a key takes no requests now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// Stopped for good: no restart can help.
    Stopped,
    /// Stopped at its error limit and cooling down.
    Cooling,
    /// Too many of the backend's connections fail.
    Breaker,
    /// An operator stopped the backend.
    StoppedByOperator,
}

/// Why a session ended; its requests answer 404 from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// The client sent DELETE.
    Delete,
    /// Unused for `session.ttl`.
    Ttl,
    /// An operator ended it.
    Operator,
    /// Its backend left the configuration.
    Removed,
    /// `on_restart = "end_session"`
    EndSession,
    /// The restarted backend speaks another protocol version.
    Version,
}

/// An answer of mcpvisor's own, in place of the backend's (`contract.md`, "Errors a client can see").
#[derive(Debug, Clone, Error)]
pub enum Refusal {
    /// The backend died, or was given up, while it had the request.
    #[error("backend '{backend}' was lost while it had the request ({fault})")]
    BackendLost {
        /// The backend.
        backend: Arc<str>,
        /// Why.
        fault: Arc<Fault>,
        /// Whether the request never reached the backend, so that sending it again is safe.
        retryable: bool,
        /// The key's error count, this fault included.
        error_count: u32,
        /// What it may not pass.
        max_error_count: u32,
    },
    /// The backend takes no requests now.
    #[error("backend '{backend}' is unavailable: {}", unavailable_text(*.reason, .cause.as_deref()))]
    BackendUnavailable {
        /// The backend.
        backend: Arc<str>,
        /// Why.
        reason: Unavailable,
        /// When it may be worth trying again.
        retry_after: Option<Duration>,
        /// The last fault, for people.
        cause: Option<String>,
    },
    /// No answer in time.
    #[error("backend '{backend}' did not answer within {}", if *.max { "timeouts.request_max" } else { "timeouts.request" })]
    Timeout {
        /// The backend.
        backend: Arc<str>,
        /// Whether it was the bound that progress does not reset.
        max: bool,
    },
    /// A bound was reached.
    #[error("overloaded: {}", .what.text(*.most))]
    Overloaded {
        /// The backend.
        backend: Arc<str>,
        /// Which bound.
        what: Overload,
        /// Its value; `None` where it is not ours.
        most: Option<u64>,
        /// When it may be worth trying again.
        retry_after: Duration,
    },
    /// The service drains (`false`) or was closed (`true`).
    #[error("mcpvisor is shutting down")]
    ShuttingDown {
        /// The backend.
        backend: Arc<str>,
        /// Whether it was told to close.
        close: bool,
    },
    /// The backend could not be launched.
    #[error("backend '{backend}' could not be launched ({fault})")]
    LaunchFailed {
        /// The backend.
        backend: Arc<str>,
        /// Why.
        fault: Arc<Fault>,
    },
    /// The session ended while it had the request.
    #[error("the session has ended ({})", .cause.as_str())]
    SessionEnded {
        /// The backend.
        backend: Arc<str>,
        /// Why.
        cause: EndCause,
    },
    /// The backend will not have what the client has shown (`forward_authorization`).
    #[error("backend '{backend}' refuses the credentials of this request (HTTP status {})", .challenge.status)]
    Unauthorized {
        /// The backend.
        backend: Arc<str>,
        /// What it has answered.
        challenge: Arc<Challenge>,
    },
    /// No backend of that name is configured.
    #[error("server '{name}' not found in config{}", nearest.as_ref().map(|near| format!("; did you mean '{near}'?")).unwrap_or_default())]
    UnknownBackend {
        /// What was asked for.
        name: Arc<str>,
        /// The configured name that is nearest to it.
        nearest: Option<String>,
    },
    /// The request itself is at fault.
    #[error("{message}")]
    Invalid {
        /// The code that the specification gives.
        code: i32,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The client cancelled it: nothing is to be answered.
    #[error("cancelled by the client")]
    Cancelled,
}

impl Refusal {
    /// An operator stopped the backend; only an operator knows for how long.
    pub(crate) fn stopped_by_operator(backend: Arc<str>) -> Self {
        let reason = Unavailable::StoppedByOperator;
        Self::BackendUnavailable { backend, reason, retry_after: None, cause: None }
    }

    /// The JSON-RPC error code.
    pub fn code(&self) -> i32 {
        match self {
            Self::BackendLost { .. } => -31001,
            Self::BackendUnavailable { .. } => -31002,
            Self::Timeout { .. } => -31003,
            Self::Overloaded { .. } => -31004,
            Self::ShuttingDown { .. } => -31005,
            Self::LaunchFailed { .. } => -31006,
            Self::SessionEnded { .. } => -31007,
            Self::Unauthorized { .. } => -31008,
            Self::UnknownBackend { .. } => -32602,
            Self::Invalid { code, .. } => *code,
            Self::Cancelled => -32800,
        }
    }

    /// The name of the code: a closed set, fit for a metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BackendLost { .. } => "backend_lost",
            Self::BackendUnavailable { .. } => "backend_unavailable",
            Self::Timeout { .. } => "timeout",
            Self::Overloaded { .. } => "overloaded",
            Self::ShuttingDown { .. } => "shutting_down",
            Self::LaunchFailed { .. } => "launch_failed",
            Self::SessionEnded { .. } => "session_ended",
            Self::Unauthorized { .. } => "unauthorized",
            Self::UnknownBackend { .. } => "unknown_backend",
            Self::Invalid { .. } => "invalid",
            Self::Cancelled => "cancelled",
        }
    }

    /// `data.reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BackendLost { fault, .. } | Self::LaunchFailed { fault, .. } => fault.reason.as_str(),
            Self::BackendUnavailable { reason, .. } => match reason {
                Unavailable::Stopped => "stopped",
                Unavailable::Cooling => "cooling",
                Unavailable::Breaker => "breaker",
                Unavailable::StoppedByOperator => "stopped_by_operator",
            },
            Self::Timeout { max: true, .. } => "request_max",
            Self::Timeout { max: false, .. } => "request",
            Self::Overloaded { what, .. } => what.reason(),
            Self::ShuttingDown { close: true, .. } => "close",
            Self::ShuttingDown { close: false, .. } => "drain",
            Self::SessionEnded { cause, .. } => cause.as_str(),
            Self::Unauthorized { challenge, .. } if challenge.status == 403 => "forbidden",
            Self::Unauthorized { .. } => "unauthorized",
            Self::UnknownBackend { .. } => "unknown_backend",
            Self::Invalid { .. } => "invalid",
            Self::Cancelled => "cancelled",
        }
    }

    /// How long to wait before the next try, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::BackendUnavailable { retry_after, .. } => *retry_after,
            Self::Overloaded { retry_after, .. } => Some(*retry_after),
            Self::Unauthorized { challenge, .. } => challenge.retry_after,
            _ => None,
        }
    }

    /// What the client is asked for, in the words of the backend.
    pub fn challenge(&self) -> Option<&Arc<Challenge>> {
        match self {
            Self::Unauthorized { challenge, .. } => Some(challenge),
            _ => None,
        }
    }
}

impl EndCause {
    /// The value of `data.reason` and of events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Ttl => "ttl",
            Self::Operator => "operator",
            Self::Removed => "removed",
            Self::EndSession => "end_session",
            Self::Version => "version",
        }
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn unavailable_text(reason: Unavailable, cause: Option<&str>) -> String {
    let text = match reason {
        Unavailable::Stopped => "stopped, since no restart can help",
        Unavailable::Cooling => "stopped after too many errors, cooling down",
        Unavailable::Breaker => "too many of its connections fail",
        Unavailable::StoppedByOperator => "stopped by an operator",
    };
    cause.map_or_else(|| text.to_owned(), |cause| format!("{text} (last: {cause})"))
}

#[cfg(test)]
mod tests;
