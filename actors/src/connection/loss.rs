//! Why what a server kept in memory is gone. Pure.

use std::fmt;
use std::sync::Arc;

use crate::fault::Fault;

/// Noted when an incarnation that has served ends, and told to the client once the next one has been replayed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Loss {
    /// It ended by a fault.
    Fault(Arc<Fault>),
    /// Nobody used it.
    Idle,
    /// Errors that it survived passed the limit.
    Limit,
    /// It was restarted, or replaced, by hand.
    Restart,
    /// The configuration of the backend has changed.
    Reload,
    /// An operator stopped the backend.
    Stop,
    /// The upstream no longer knew its session.
    Upstream,
}

impl Loss {
    /// For logs.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.reason.as_str(),
            Self::Idle => "idle",
            Self::Limit => "limit",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Stop => "stopped_by_operator",
            Self::Upstream => "session_lost",
        }
    }
}

/// What happened to the backend: "backend 'x' …".
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "was restarted ({fault})"),
            Self::Idle => f.write_str("was closed because nobody used it, and started again"),
            Self::Limit => f.write_str("was stopped after too many errors, and started again"),
            Self::Restart => f.write_str("was restarted by hand"),
            Self::Reload => f.write_str("was replaced, since its configuration has changed"),
            Self::Stop => f.write_str("was stopped by an operator, and started again"),
            Self::Upstream => f.write_str("no longer knew the session, and was given a new one"),
        }
    }
}
