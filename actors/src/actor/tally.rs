//! How many actors and messages there are, and how long messages take. Counted for the whole process.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use metrics::{Histogram, histogram};
use tokio::time::Instant;

use crate::metrics::{ACTORS, Gauges, HANDLE_DURATION, MAILBOX_MESSAGES, MAILBOX_WAIT};

/// One message in so many is timed, where requests go through: a look at the clock costs as much as the rest.
pub(super) const SAMPLE: u64 = 16;

/// Under which name an actor is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// The root of the tree.
    Root,
    /// The Registry.
    Registry,
    /// One per key.
    Supervisor,
    /// One per incarnation.
    Connection,
    /// One per client session, in the front.
    Session,
    /// The clean-up tick.
    Janitor,
}

struct Count {
    actors: AtomicI64,
    messages: AtomicI64,
    sent: AtomicU64,
}

static COUNTS: [Count; ActorKind::ALL.len()] =
    [const { Count { actors: AtomicI64::new(0), messages: AtomicI64::new(0), sent: AtomicU64::new(0) } };
        ActorKind::ALL.len()];

/// Waiting, and being handled.
static TIMES: LazyLock<[(Histogram, Histogram); ActorKind::ALL.len()]> = LazyLock::new(|| {
    ActorKind::ALL.map(|kind| {
        let actor = kind.as_str();
        (histogram!(MAILBOX_WAIT.name, "actor" => actor), histogram!(HANDLE_DURATION.name, "actor" => actor))
    })
});

impl ActorKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Root, Self::Registry, Self::Supervisor, Self::Connection, Self::Session, Self::Janitor];

    /// The value of the label `actor`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Registry => "registry",
            Self::Supervisor => "supervisor",
            Self::Connection => "connection",
            Self::Session => "session",
            Self::Janitor => "janitor",
        }
    }

    fn count(self) -> &'static Count {
        &COUNTS[self as usize]
    }

    const fn is_busy(self) -> bool {
        matches!(self, Self::Connection | Self::Session)
    }
}

/// An actor that lives, however it ends.
pub(super) struct Alive(ActorKind);

impl Alive {
    pub(super) fn new(kind: ActorKind) -> Self {
        kind.count().actors.fetch_add(1, Relaxed);
        Self(kind)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.count().actors.fetch_sub(1, Relaxed);
    }
}

/// A message in a mailbox, until it is handled or dropped.
pub(super) struct Ticket {
    kind: ActorKind,
    /// Since when it waits, or is handled, if it is one of those that are timed.
    since: Option<Instant>,
    opened: bool,
}

impl Ticket {
    pub(super) fn new(kind: ActorKind) -> Self {
        let count = kind.count();
        count.messages.fetch_add(1, Relaxed);
        let timed = !kind.is_busy() || count.sent.fetch_add(1, Relaxed).is_multiple_of(SAMPLE);
        Self { kind, since: timed.then(Instant::now), opened: false }
    }

    /// It is being handled from now on.
    pub(super) fn opened(&mut self) {
        self.opened = true;
        if let Some(since) = &mut self.since {
            let now = Instant::now();
            TIMES[self.kind as usize].0.record(now.saturating_duration_since(*since));
            *since = now;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.kind.count().messages.fetch_sub(1, Relaxed);
        if let Some(since) = self.since.filter(|_| self.opened) {
            TIMES[self.kind as usize].1.record(since.elapsed());
        }
    }
}

/// How many actors of a kind there are, and how many messages wait for them.
pub(super) fn of(kind: ActorKind) -> (i64, i64) {
    let count = kind.count();
    (count.actors.load(Relaxed), count.messages.load(Relaxed))
}

/// Shows them as metrics.
pub(crate) fn show() {
    LazyLock::force(&TIMES);
    let (actors, messages) = (Gauges::new(&ACTORS, None), Gauges::new(&MAILBOX_MESSAGES, None));
    for kind in ActorKind::ALL {
        let (alive, waiting) = of(kind);
        actors.set(&[kind.as_str()], alive as f64);
        messages.set(&[kind.as_str()], waiting as f64);
    }
}
