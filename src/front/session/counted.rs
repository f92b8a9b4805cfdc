//! How a session and its streams count at the bounds there are (`admission`).

use std::sync::Arc;

use super::Session;
use crate::front::admission::Held;

impl Session {
    /// Counts one more stream of it that belongs to no request. All of them count as one: a client that comes back may find that
    /// its last one has not ended yet.
    pub(crate) fn hold_stream<E>(&self, admit: impl FnOnce() -> Result<Held, E>) -> Result<Arc<Held>, E> {
        if let Some(held) = self.streams_held.load().upgrade() {
            return Ok(held);
        }
        let held = Arc::new(admit()?);
        self.streams_held.store(Arc::downgrade(&held));
        Ok(held)
    }

    /// It is counted from now on; `None`: no more.
    pub(crate) fn count(&self, held: Option<Held>) {
        self.counted.store(held.map(Arc::new));
    }
}
