//! The last events of the tree, numbered, and those that follow.
//!
//! * owns: the last [`KEPT`] events, and the channel by which readers get the next ones
//! * receives: the events of the tree; readers that come
//! * ends: with the tree
//!
//! What a reader gets at first and what follows meet without a gap: one task hands out both. A reader that is too slow loses
//! events, and is told how many; nobody waits for it.

use std::collections::VecDeque;
use std::sync::Arc;

use mcpvisor_actors::{EventStream, Heard};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::views::EventView;

/// So many are kept.
pub const KEPT: usize = 1000;
/// So many may wait for a reader.
const AHEAD: usize = 1024;
/// So much of the name of this start is put before each number, for readers that come back after a restart.
const STARTED: usize = 8;

/// Asks for the history. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    readers: mpsc::Sender<oneshot::Sender<Reading>>,
    started: Arc<str>,
}

/// One event, ready to be sent.
#[derive(Debug)]
pub(super) struct Told {
    /// From 1 on.
    pub(super) number: u64,
    pub(super) backend: Option<Arc<str>>,
    pub(super) json: String,
}

/// What a reader begins with.
pub(super) struct Reading {
    /// Oldest first.
    pub(super) history: Vec<Arc<Told>>,
    pub(super) live: broadcast::Receiver<Arc<Told>>,
}

struct Log {
    kept: VecDeque<Arc<Told>>,
    last: u64,
    live: broadcast::Sender<Arc<Told>>,
}

impl EventLog {
    /// Keeps what the tree tells from now on; `instance` names this start.
    pub fn start(events: EventStream, instance: &str) -> Self {
        let (readers, asked) = mpsc::channel(16);
        let log = Log { kept: VecDeque::new(), last: 0, live: broadcast::Sender::new(AHEAD) };
        tokio::spawn(log.run(events, asked));
        Self { readers, started: instance.chars().take(STARTED).collect::<String>().into() }
    }

    /// `None`: the tree is gone.
    pub(super) async fn read(&self) -> Option<Reading> {
        let (reply, reading) = oneshot::channel();
        self.readers.send(reply).await.ok()?;
        reading.await.ok()
    }

    /// The id of an event.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.started)
    }

    /// The number in an id of this start; `None`: of another start, or none of ours.
    pub(super) fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&*self.started)?.strip_prefix('-')?.parse().ok()
    }
}

impl Log {
    async fn run(mut self, mut events: EventStream, mut readers: mpsc::Receiver<oneshot::Sender<Reading>>) {
        loop {
            tokio::select! {
                biased;
                heard = events.next() => match heard {
                    Some(Heard::Event(event)) => self.tell(event.backend.clone(), &EventView::of(&event)),
                    Some(Heard::Missed(count)) => self.tell(None, &EventView::missed(count)),
                    None => return,
                },
                Some(reply) = readers.recv() => {
                    let history = self.kept.iter().cloned().collect();
                    let _ = reply.send(Reading { history, live: self.live.subscribe() });
                }
            }
        }
    }

    fn tell(&mut self, backend: Option<Arc<str>>, view: &EventView) {
        let Ok(json) = serde_json::to_string(view) else { return };
        self.last += 1;
        let told = Arc::new(Told { number: self.last, backend, json });
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(told.clone());
        // Nobody reads now.
        let _ = self.live.send(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory would fill, and a reader that comes back would see events twice, or miss some and not know.
    #[test]
    fn the_last_thousand_are_kept_and_each_has_its_number() {
        let mut log = Log { kept: VecDeque::new(), last: 0, live: broadcast::Sender::new(AHEAD) };
        (0..KEPT + 5).for_each(|_| log.tell(None, &EventView::default()));
        assert_eq!(log.kept.len(), KEPT);
        assert_eq!((log.kept[0].number, log.last), (6, KEPT as u64 + 5));
    }

    #[test]
    fn an_id_of_another_start_is_none_of_ours() {
        let (readers, _) = mpsc::channel(1);
        let log = EventLog { readers, started: "0123abcd".into() };
        assert_eq!(log.number(&log.id(17)), Some(17));
        for other in ["fedcba98-17", "17", "0123abcd", "0123abcd-x"] {
            assert_eq!(log.number(other), None, "{other}");
        }
    }
}
