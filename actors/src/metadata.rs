//! What is told of a connection: a copy, never a live reference.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::time::Instant;

use crate::connection_handle::ConnectionHandle;
use crate::key::ConnectionKey;
use crate::supervisor::Budget;

/// The outside view of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Used within the last cleanup interval, or with work in flight.
    Active,
    /// Neither.
    Idle,
    /// Stopped.
    Closed,
}

/// The inside view of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Being started and shaken hands with.
    Launching,
    /// Serving.
    Ready,
    /// Waiting before the next restart.
    BackingOff,
    /// Being retired; what is in flight may finish.
    Draining,
    /// Stopped at its error limit, or because no restart can help.
    Stopped,
}

impl Phase {
    /// Every phase, for gauges that start at zero.
    pub const ALL: [Self; 5] =
        [Self::Launching, Self::Ready, Self::BackingOff, Self::Draining, Self::Stopped];

    /// The name used in the admin API, events and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Launching => "launching",
            Self::Ready => "ready",
            Self::BackingOff => "backing_off",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// A copy of what is known of one connection.
#[derive(Debug, Clone)]
pub struct ConnectionMetadata {
    /// Its key.
    pub key: ConnectionKey,
    /// Sends requests to it.
    pub connection: ConnectionHandle,
    /// When the key was first launched.
    pub created_at: SystemTime,
    /// How long ago that is, whatever the wall clock did since.
    pub age: Duration,
    /// When it was last used by a request, an answer or its progress.
    pub last_used_at: SystemTime,
    /// How long ago that is.
    pub idle_for: Duration,
    /// Client requests so far.
    pub request_count: u64,
    /// Faults that count now, against `max_error_count`.
    pub error_count: u32,
    /// What `error_count` may not pass.
    pub max_error_count: u32,
    /// Faults in all; never reset.
    pub total_errors: u64,
    /// Relaunches after a fault or by hand.
    pub restarts: u64,
    /// The last fault, for people.
    pub last_error: Option<Arc<str>>,
    /// The outside view.
    pub state: ConnectionState,
    /// The inside view.
    pub phase: Phase,
    /// The child, where there is one.
    pub pid: Option<u32>,
    /// Which launch of this service it is.
    pub incarnation: u64,
    /// Client requests that the backend has.
    pub in_flight: usize,
    /// Client requests that wait.
    pub queued: usize,
}

/// What a Supervisor publishes of itself; the rest of the metadata is counted elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) phase: Phase,
    pub(crate) pid: Option<u32>,
    pub(crate) incarnation: u64,
    pub(crate) restarts: u64,
    pub(crate) last_error: Option<Arc<str>>,
    /// As of the last event; the metadata asks the budget, since errors are forgotten with time.
    pub(crate) error_count: u32,
    pub(crate) budget: Budget,
    /// What its next launch waits for, while it does.
    pub(crate) wait: Option<Wait>,
}

/// A wait before a launch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wait {
    /// All of it.
    pub(crate) time: Duration,
    /// Its end.
    pub(crate) until: Instant,
}

/// `active`: used within the last cleanup interval, or with work in flight; `closed`: stopped.
pub(crate) fn outside_state(
    phase: Phase,
    idle_for: Duration,
    busy: bool,
    cleanup_interval: Duration,
) -> ConnectionState {
    match phase {
        Phase::Stopped => ConnectionState::Closed,
        _ if busy || idle_for <= cleanup_interval => ConnectionState::Active,
        _ => ConnectionState::Idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_in_flight_is_activity_however_old() {
        let state = |phase, idle, busy| {
            outside_state(phase, Duration::from_secs(idle), busy, Duration::from_secs(300))
        };
        assert_eq!(state(Phase::Ready, 10, false), ConnectionState::Active);
        assert_eq!(state(Phase::Ready, 301, false), ConnectionState::Idle);
        assert_eq!(state(Phase::Ready, 301, true), ConnectionState::Active);
        assert_eq!(state(Phase::Stopped, 1, true), ConnectionState::Closed);
    }
}
