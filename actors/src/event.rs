//! What happens in the tree, as it happens: one value for the log line and for whoever listens.
//!
//! Actors hand each event to an [`EventSender`], which writes its line and passes it on; nobody is waited for. A listener
//! that is too slow loses events, and is told how many ([`EventStream`]).

mod log;
mod stream;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::Level;

use crate::fault::Fault;
use crate::key::ConnectionKey;

pub use stream::{EventSender, EventStream, Heard};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// An incarnation begins.
    Launching,
    /// It has answered its handshake, and serves.
    Ready,
    /// It ended by a fault, or could not be launched.
    Lost,
    /// The key waits before its next launch.
    BackingOff,
    /// The key is stopped: at its error limit, or because no restart can help.
    Stopped,
    /// An operator, or a reload, wants another incarnation.
    Restarting,
    /// Nobody uses it: it is closed, its session lives on.
    Evicted,
    /// An incarnation that was told to end is gone, with all that it had started.
    Drained,
    /// The key is forgotten.
    Gone,
    /// The handshake of a session was replayed to a new incarnation, well or not.
    Replayed,
    /// One request failed in a way that counts; the connection lives on.
    RequestFailed,
    /// A session ended that nobody had asked to end.
    SessionEnded,
    /// A process in reserve is started.
    SpareLaunching,
    /// A process in reserve is up.
    SpareWarm,
    /// A process in reserve died.
    SpareLost,
    /// A process in reserve is ended.
    SpareEnded,
    /// Too many launches in a row failed: they are held back.
    BreakerOpened,
    /// Launches go on.
    BreakerClosed,
    /// A process is started only to be asked which era of the protocol it speaks.
    BackendProbing,
    /// It has answered, or not.
    BackendProbed,
    /// An operator stopped a backend.
    BackendStopped,
    /// An operator started it again.
    BackendStarted,
    /// A bug of ours: an actor failed, and was replaced.
    ActorFailed,
    /// Supervision gave up at the root.
    Escalated,
}

/// One event. What is not known or makes no sense for its kind is `None`.
#[derive(Debug, Clone)]
pub struct SupervisionEvent {
    /// When, by the wall clock.
    pub at: SystemTime,
    /// What happened.
    pub kind: EventKind,
    /// Of which backend; `None`: of the service as a whole.
    pub backend: Option<Arc<str>>,
    /// Of which session: the first 12 hex digits of its hash, or `shared`.
    pub session: Option<String>,
    /// Which launch of this service.
    pub incarnation: Option<u64>,
    /// Its process.
    pub pid: Option<u32>,
    /// Why, from a closed set: a [`FaultReason`](crate::FaultReason), or what the kind has in its place.
    pub reason: Option<Cow<'static, str>>,
    /// How a replay went: `ok`, `partial`, `failed`; what a probe found: `legacy`, `modern`, `both`, `unknown`.
    pub result: Option<&'static str>,
    /// What a launch starts from: `fresh`, `spare`, `open`.
    pub start: Option<&'static str>,
    /// Which actor failed.
    pub actor: Option<&'static str>,
    /// The exit code, where a process ended by itself.
    pub exit_code: Option<i32>,
    /// The signal, where one ended it.
    pub signal: Option<i32>,
    /// The error count after it.
    pub error_count: Option<u32>,
    /// What the error count may not pass.
    pub max_error_count: Option<u32>,
    /// Relaunches of the key so far.
    pub restarts: Option<u64>,
    /// How long until the next launch.
    pub backoff: Option<Duration>,
    /// For people: what happened.
    pub detail: String,
    /// The last lines that the process wrote to its standard error, at most 2 KiB. They are the server's own words:
    /// for operators, not for clients.
    pub stderr_tail: Option<String>,
    pub(crate) level: Level,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 24] = [
        Self::Launching,
        Self::Ready,
        Self::Lost,
        Self::BackingOff,
        Self::Stopped,
        Self::Restarting,
        Self::Evicted,
        Self::Drained,
        Self::Gone,
        Self::Replayed,
        Self::RequestFailed,
        Self::SessionEnded,
        Self::SpareLaunching,
        Self::SpareWarm,
        Self::SpareLost,
        Self::SpareEnded,
        Self::BreakerOpened,
        Self::BreakerClosed,
        Self::BackendProbing,
        Self::BackendProbed,
        Self::BackendStopped,
        Self::BackendStarted,
        Self::ActorFailed,
        Self::Escalated,
    ];

    /// The name in logs and in the admin API. It stays.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Launching => "connection.launching",
            Self::Ready => "connection.ready",
            Self::Lost => "connection.lost",
            Self::BackingOff => "connection.backing_off",
            Self::Stopped => "connection.stopped",
            Self::Restarting => "connection.restarting",
            Self::Evicted => "connection.evicted",
            Self::Drained => "connection.drained",
            Self::Gone => "connection.gone",
            Self::Replayed => "connection.replayed",
            Self::RequestFailed => "connection.request_failed",
            Self::SessionEnded => "session.ended",
            Self::SpareLaunching => "spare.launching",
            Self::SpareWarm => "spare.warm",
            Self::SpareLost => "spare.lost",
            Self::SpareEnded => "spare.ended",
            Self::BreakerOpened => "breaker.opened",
            Self::BreakerClosed => "breaker.closed",
            Self::BackendProbing => "backend.probing",
            Self::BackendProbed => "backend.probed",
            Self::BackendStopped => "backend.stopped",
            Self::BackendStarted => "backend.started",
            Self::ActorFailed => "actor.failed",
            Self::Escalated => "supervision.escalated",
        }
    }

    const fn level(self) -> Level {
        match self {
            Self::BreakerOpened | Self::ActorFailed | Self::Escalated => Level::ERROR,
            Self::Lost | Self::RequestFailed | Self::SessionEnded | Self::SpareLost => Level::WARN,
            Self::SpareWarm => Level::DEBUG,
            _ => Level::INFO,
        }
    }
}

impl SupervisionEvent {
    /// Of the service as a whole.
    pub(crate) fn new(kind: EventKind, detail: impl Into<String>) -> Self {
        Self {
            at: now(),
            kind,
            backend: None,
            session: None,
            incarnation: None,
            pid: None,
            reason: None,
            result: None,
            start: None,
            actor: None,
            exit_code: None,
            signal: None,
            error_count: None,
            max_error_count: None,
            restarts: None,
            backoff: None,
            detail: detail.into(),
            stderr_tail: None,
            level: kind.level(),
        }
    }

    pub(crate) fn of_backend(kind: EventKind, backend: &Arc<str>, detail: impl Into<String>) -> Self {
        Self { backend: Some(backend.clone()), ..Self::new(kind, detail) }
    }

    pub(crate) fn of(kind: EventKind, key: &ConnectionKey, detail: impl Into<String>) -> Self {
        let session = Some(key.session_hash());
        Self { session, ..Self::of_backend(kind, &key.backend_id, detail) }
    }

    pub(crate) fn incarnation(self, incarnation: Option<u64>, pid: Option<u32>) -> Self {
        Self { incarnation, pid, ..self }
    }

    pub(crate) fn because(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// The actor that failed.
    pub(crate) fn by(self, actor: &'static str) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// All that is known of a fault.
    pub(crate) fn fault(self, fault: &Fault) -> Self {
        let (exit_code, signal) = (fault.exit_code, fault.signal);
        let stderr_tail = fault.stderr_tail.clone().filter(|tail| !tail.is_empty());
        Self { exit_code, signal, stderr_tail, ..self }.because(fault.reason.as_str())
    }

    /// Less, or more, worth saying than others of its kind.
    pub(crate) fn at_level(self, level: Level) -> Self {
        Self { level, ..self }
    }
}

#[expect(clippy::disallowed_methods, reason = "shown to people; nothing is decided by it")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = EventKind::ALL.map(EventKind::as_str).into();
        assert_eq!(names.len(), EventKind::ALL.len());
        assert!(names.iter().all(|name| name.split_once('.').is_some()));
    }

    /// Whoever may read events could act as any client.
    #[test]
    fn a_session_is_named_by_its_hash_only() {
        let key = ConnectionKey::new("b", "a-secret-session-id");
        let event = SupervisionEvent::of(EventKind::Ready, &key, "");
        assert_eq!(event.session.as_deref(), Some(&*key.session_hash()));
        assert!(!format!("{event:?}").contains("secret"));
    }
}
