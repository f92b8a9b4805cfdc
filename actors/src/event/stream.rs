//! From those to whom something happens to those who want to know.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use super::SupervisionEvent;

/// So many events may wait for a listener; of more it loses the oldest.
const AHEAD: usize = 1024;

/// Tells of events. Cheap to clone; never waits, whoever listens.
#[derive(Debug, Clone)]
pub struct EventSender(Sender<Arc<SupervisionEvent>>);

/// Hears of every event from its own beginning on.
#[derive(Debug)]
pub struct EventStream(Receiver<Arc<SupervisionEvent>>);

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Something happened.
    Event(Arc<SupervisionEvent>),
    /// It was too slow for this many events.
    Missed(u64),
}

impl Default for EventSender {
    fn default() -> Self {
        Self(Sender::new(AHEAD))
    }
}

impl EventSender {
    /// Writes the log line, and tells all who listen.
    pub(crate) fn emit(&self, event: SupervisionEvent) {
        event.log();
        // Nobody listens: that is no failure.
        let _ = self.0.send(Arc::new(event));
    }

    /// Hears of every event from now on.
    pub fn subscribe(&self) -> EventStream {
        EventStream(self.0.subscribe())
    }
}

impl EventStream {
    /// The next event; `None` once the tree is gone. Cancel-safe: nothing is lost by not waiting to the end.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::EventKind;
    use super::*;

    fn event(number: u64) -> SupervisionEvent {
        SupervisionEvent::new(EventKind::Ready, "").incarnation(Some(number), None)
    }

    /// A listener that hangs would stop supervision, or fill the memory, or not know what it has not seen.
    #[tokio::test]
    async fn a_slow_listener_loses_the_oldest_and_is_told_how_many() {
        let sender = EventSender::default();
        let mut slow = sender.subscribe();
        (0..AHEAD as u64 + 7).for_each(|number| sender.emit(event(number)));
        assert!(matches!(slow.next().await, Some(Heard::Missed(7))));
        let Some(Heard::Event(next)) = slow.next().await else { panic!("an event") };
        assert_eq!(next.incarnation, Some(7));
        drop(sender);
        for _ in 8..AHEAD as u64 + 7 {
            assert!(matches!(slow.next().await, Some(Heard::Event(_))));
        }
        assert!(slow.next().await.is_none());
    }
}
