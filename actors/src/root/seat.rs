//! The right to be the one live incarnation of a key.

use super::RootMsg;
use crate::actor::ActorRef;

/// Held by whatever lives for the incarnation (the task that watches the child, an open upstream).
/// However it ends, dropping it tells the Root that the incarnation is gone.
pub(crate) struct Seat {
    incarnation: u64,
    root: ActorRef<RootMsg>,
}

impl Seat {
    pub(crate) fn new(incarnation: u64, root: ActorRef<RootMsg>) -> Self {
        Self { incarnation, root }
    }

    /// Its number: rises with every launch of this service.
    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Leaves, having swept `swept` processes that had outlived their parent.
    pub(crate) fn leave(self, swept: usize) {
        crate::metrics::orphans_reaped(swept);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // A Root that is gone has nobody left to seat.
        let _ = self.root.send_message(RootMsg::Gone { incarnation: self.incarnation });
    }
}
