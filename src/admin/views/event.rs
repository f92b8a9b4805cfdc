//! One supervision event, as `GET /api/v1/events` tells it.

use chrono::{DateTime, SecondsFormat, Utc};
use mcpvisor_actors::SupervisionEvent;
use serde::{Deserialize, Serialize};

/// The name under which a reader learns that it was too slow.
pub const MISSED: &str = "events.missed";

/// One event. What is not known, or makes no sense for its kind, is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventView {
    /// RFC 3339, UTC.
    pub at: String,
    /// Its stable name, such as `connection.lost`.
    pub event: String,
    /// The backend; without one it is about the service as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The first 12 hex digits of the SHA-256 of its session, or `shared`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Which launch of this service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u64>,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Why, from a closed set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How a replay went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// What a launch starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Which actor failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The exit code of its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The error count after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_count: Option<u32>,
    /// What that may not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_error_count: Option<u32>,
    /// Relaunches so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u64>,
    /// Milliseconds until the next launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms: Option<u64>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The last lines of the standard error of its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr_tail: Option<String>,
    /// How many events a reader that was too slow has not got (`events.missed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

impl EventView {
    /// Of an event of the tree.
    pub fn of(event: &SupervisionEvent) -> Self {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            at: DateTime::<Utc>::from(event.at).to_rfc3339_opts(SecondsFormat::Millis, true),
            event: event.kind.as_str().to_owned(),
            backend: event.backend.as_deref().map(str::to_owned),
            session: event.session.clone(),
            incarnation: event.incarnation,
            pid: event.pid,
            reason: event.reason.as_deref().map(str::to_owned),
            result: event.result.map(str::to_owned),
            start: event.start.map(str::to_owned),
            actor: event.actor.map(str::to_owned),
            exit_code: event.exit_code,
            signal: event.signal,
            error_count: event.error_count,
            max_error_count: event.max_error_count,
            restarts: event.restarts,
            backoff_ms: event.backoff.map(|wait| wait.as_millis() as u64),
            detail: text(&event.detail),
            stderr_tail: event.stderr_tail.clone(),
            missed: None,
        }
    }

    /// That so many were lost on the way to a slow reader.
    pub fn missed(count: u64) -> Self {
        let now = DateTime::<Utc>::from(now()).to_rfc3339_opts(SecondsFormat::Millis, true);
        let detail = Some(format!("{count} events were lost: they were read too slowly"));
        Self { at: now, event: MISSED.to_owned(), missed: Some(count), detail, ..Self::default() }
    }
}

#[expect(clippy::disallowed_methods, reason = "shown to people; nothing is decided by it")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
