//! What is said to the session behind a route, or kept until it can be.

use std::sync::Arc;

use super::{Route, SessionEvent};
use crate::connection::Loss;

impl Route {
    /// Hands an event to the session, or to all that share the connection.
    pub(crate) fn deliver(&self, event: SessionEvent) {
        for listener in self.listeners() {
            listener.tell(event.clone());
        }
    }

    /// Hands an event to this session and no other, whoever shares its connection; false if there is none to
    /// take it.
    pub(crate) fn tell(&self, event: SessionEvent) -> bool {
        let asks = matches!(event, SessionEvent::ServerRequest { .. });
        let takes = self.0.sink.as_ref().filter(|sink| !asks || sink.can_be_asked());
        takes.map(|sink| sink.deliver(event)).is_some()
    }

    /// Everybody who hears what is said to this one.
    pub(crate) fn listeners(&self) -> Vec<Route> {
        if self.is_own() { self.place().members.all() } else { vec![self.clone()] }
    }

    /// Notes why clients will find the memory of their server empty. The first cause stays: what the launches
    /// after it ran into lost nothing.
    pub(crate) fn memory_lost(&self, loss: Loss) {
        let place = self.place();
        if self.is_established() && place.loss.load().is_none() {
            place.loss.store(Some(loss.into()));
        }
    }

    /// The cause noted last, if it was not told yet.
    pub(crate) fn loss(&self) -> Option<Arc<Loss>> {
        self.place().loss.load_full()
    }

    /// What is to be told of it, once.
    pub(crate) fn loss_to_tell(&self) -> Option<Arc<Loss>> {
        self.place().loss.swap(None)
    }
}
