//! How whoever gives an order knows that it has been taken, so that what is asked from then on meets it.
//!
//! An order waits in the mailboxes of Supervisors, and requests go past those, straight to the Connections that are
//! published. A Supervisor that has carried out its order has withdrawn its Connection.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Entry, tell};
use crate::supervisor::SupervisorMsg;

/// Follows an order to a Supervisor, and is dropped in its turn; or with a Supervisor that failed before, whose
/// Connection died with it.
pub(crate) struct Receipt {
    _owed: Arc<oneshot::Sender<Infallible>>,
}

/// What an order came to.
pub(crate) struct Ordered<T> {
    outcome: T,
    receipts: oneshot::Receiver<Infallible>,
}

impl<T> Ordered<T> {
    /// Has these say when they have carried out what they were told until now.
    pub(super) fn new<'a>(outcome: T, reached: impl Iterator<Item = &'a Entry>) -> Self {
        let (owed, receipts) = oneshot::channel();
        let owed = Arc::new(owed);
        for entry in reached {
            tell(&entry.supervisor, SupervisorMsg::Receipt(Receipt { _owed: owed.clone() }));
        }
        Self { outcome, receipts }
    }

    /// The same, once all of them have.
    pub(crate) async fn taken(self) -> T {
        // Nothing is ever sent: this ends with the last receipt.
        let _ = self.receipts.await;
        self.outcome
    }
}

#[cfg(test)]
mod tests;
