//! All sessions by their id. Reads take no lock, and nothing of
//! it is held across an await.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mcpvisor_actors::EndCause;
use papaya::HashMap;

use super::Session;

/// Sessions by id, and how many may be.
pub(crate) struct Table {
    sessions: HashMap<Arc<str>, Arc<Session>>,
    /// Sessions that are, and that are being made.
    taken: AtomicUsize,
    max: AtomicUsize,
}

/// Room for one session that is being made.
pub(crate) struct Room(Arc<Table>);

impl Table {
    /// For at most `max` sessions (`limits.max_sessions`).
    pub(crate) fn new(max: usize) -> Self {
        Self { sessions: HashMap::new(), taken: AtomicUsize::new(0), max: max.into() }
    }

    /// So many from now on; those that are there stay.
    pub(crate) fn set_max(&self, max: usize) {
        self.max.store(max, Relaxed);
    }

    /// How many there may be.
    pub(crate) fn max(&self) -> usize {
        self.max.load(Relaxed)
    }

    /// Room for one more, if there is any.
    pub(crate) fn room(self: &Arc<Self>) -> Option<Room> {
        let more = |taken: usize| (taken < self.max.load(Relaxed)).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Room(self.clone()))
    }

    /// A session is there from now on.
    pub(crate) fn insert(&self, session: Arc<Session>, room: Room) {
        std::mem::forget(room); // `remove` frees it
        session.face().sessions.increment(1.0);
        let hash = session.hash();
        let version = session.version_name();
        tracing::debug!(event = "session.opened", backend = &*session.face().name, session = hash, version);
        self.sessions.pin().insert(session.id().clone(), session);
    }

    /// The session of that id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions.pin().get(id).cloned()
    }

    /// The session is over: from now on nobody finds it. The first to say so gets it.
    pub(crate) fn remove(&self, id: &str, cause: EndCause) -> Option<Arc<Session>> {
        let session = self.sessions.pin().remove(id).cloned()?;
        self.taken.fetch_sub(1, Relaxed);
        session.count(None);
        session.face().sessions.decrement(1.0);
        session.face().session_duration.record(session.age().as_secs_f64());
        let hash = session.hash();
        tracing::debug!(event = "session.ended", backend = &*session.face().name, session = hash, cause = %cause);
        Some(session)
    }

    /// Every session that is there now.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.pin().values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}
