//! The JSON of the admin API: written by the service, read by its commands. `openapi.json` describes it.

mod event;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use event::{EventView, MISSED};

/// `GET /api/v1/connections`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectionsView {
    /// Sorted by key.
    pub connections: Vec<ConnectionView>,
}

/// One connection. Full session ids are credentials: only their hash is here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectionView {
    /// `backend/session`
    pub key: String,
    /// Its backend.
    pub backend: String,
    /// The first 12 hex digits of the SHA-256 of its session, or `shared`.
    pub session: String,
    /// `launching`, `ready`, `backing_off`, `draining`, `stopped`
    pub phase: String,
    /// `active`, `idle`, `closed`
    pub state: String,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Which launch of this service it is.
    pub incarnation: u64,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub last_used_at: String,
    /// Seconds since then.
    pub idle_seconds: f64,
    /// Requests of its client so far.
    pub request_count: u64,
    /// Errors that count now.
    pub error_count: u32,
    /// What `error_count` may not pass.
    pub max_error_count: u32,
    /// Errors in all.
    pub total_errors: u64,
    /// Relaunches after a fault or by hand.
    pub restarts: u64,
    /// The last fault.
    pub last_error: Option<String>,
    /// Requests the backend has.
    pub in_flight: usize,
    /// Requests that wait.
    pub queued: usize,
    /// Resident memory of its process, in bytes.
    pub rss: Option<u64>,
}

/// `GET /api/v1/backends`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackendsView {
    /// Sorted by name.
    pub backends: Vec<BackendView>,
}

/// One backend. What is counted is counted since the start of the service, over all its sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackendView {
    /// Its name.
    pub name: String,
    /// `running`, `stopped` (nothing launched, or stopped by an operator), `error` (every connection is stopped, or
    /// the breaker is open), `disabled`
    pub status: String,
    /// Launches are held back, since too many of its connections failed in a row.
    pub breaker_open: bool,
    /// An operator stopped it.
    pub stopped_by_operator: bool,
    /// `stdio`, `http` or `sse`
    pub transport: String,
    /// Where clients reach it, on the main listener.
    pub path: String,
    /// How many connections are in which phase.
    pub connections: BTreeMap<String, usize>,
    /// How many processes are in reserve (`warm`), in which state: `starting`, `warm`.
    pub spares: BTreeMap<String, usize>,
    /// Launches that came to an answered handshake.
    pub launches: u64,
    /// Relaunches after a fault or by hand.
    pub restarts: u64,
    /// Errors counted against the budget.
    pub faults: u64,
    /// Connections stopped at their limit, or beyond the help of a restart.
    pub stops: u64,
    /// `pool.max_error_count`
    pub max_error_count: u32,
}

/// What an order reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReachedView {
    /// How many connections.
    pub connections: usize,
}

/// `GET /api/v1/log-level`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogLevelView {
    /// Such as `info` or `info,mcpvisor_actors=debug`.
    pub level: String,
}

/// The answer to `PUT /api/v1/log-level`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogLevelChangeView {
    /// What is logged now.
    pub level: String,
    /// What was logged before.
    pub former: String,
}
