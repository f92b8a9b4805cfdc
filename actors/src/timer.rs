//! A message to an actor at a later time, taken back when the timer is dropped.
//!
//! ractor's own timers outlive their actor and cannot be told apart once fired.

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::actor::ActorRef;

/// Ends with its owner.
#[derive(Debug)]
pub(crate) struct Timer {
    at: Instant,
    task: AbortHandle,
}

impl Timer {
    /// Sends `message` to `actor` at `at`.
    pub(crate) fn at<M: Send + 'static>(at: Instant, actor: ActorRef<M>, message: M) -> Self {
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            // An actor that is gone needs no reminder.
            let _ = actor.send_message(message);
        });
        Self { at, task: task.abort_handle() }
    }

    /// When it fires.
    pub(crate) fn deadline(&self) -> Instant {
        self.at
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
