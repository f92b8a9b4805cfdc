//! What a session has to say on its standalone stream: said already and kept for a resume, or waiting
//! for a stream to open.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::replay::Bounds;
use crate::front::events::Numbered;

/// Server requests that may wait for a stream.
const MAX_HELD: usize = 64;
/// How long they may. A client that offers sampling or roots opens its stream at once.
pub(crate) const HOLD: Duration = Duration::from_secs(60);
/// Bounds for a session that never opened a stream, and perhaps never will.
const UNHEARD: Bounds = Bounds { events: 64, bytes: 64 << 10 };

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    bounds: Bounds,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Whether anybody ever listened.
    heard: bool,
}

#[derive(Debug)]
struct Entry {
    sequence: u64,
    message: Bytes,
    /// The id of a request that waits for the client's answer.
    request: Option<Bytes>,
    said: bool,
    since: Instant,
}

impl Outbox {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, entries: VecDeque::new(), bytes: 0, heard: false }
    }

    /// Adds a message: `said` if there is a stream that takes it now. Returns the ids of requests that
    /// had to make room without having been said: somebody must tell the backend.
    pub(crate) fn push(
        &mut self,
        event: Numbered,
        request: Option<Bytes>,
        said: bool,
        now: Instant,
    ) -> Vec<Bytes> {
        let (sequence, message) = event;
        self.bytes += message.len();
        self.entries.push_back(Entry { sequence, message, request, said, since: now });
        let bounds = if self.heard { self.bounds } else { UNHEARD };
        let mut refused = Vec::new();
        while self.entries.len() > 1 && (self.entries.len() > bounds.events || self.bytes > bounds.bytes) {
            refused.extend(self.remove(0));
        }
        while self.waiting_requests() > MAX_HELD {
            let Some(oldest) = self.entries.iter().position(Entry::is_waiting_request) else { break };
            refused.extend(self.remove(oldest));
        }
        refused
    }

    /// What a new stream begins with: everything that was not said, and what followed `after`.
    pub(crate) fn open(&mut self, after: Option<u64>) -> Vec<Numbered> {
        self.heard = true;
        let wanted = |entry: &&mut Entry| !entry.said || after.is_some_and(|after| entry.sequence > after);
        let entries = self.entries.iter_mut().filter(wanted);
        entries
            .map(|entry| {
                entry.said = true;
                (entry.sequence, entry.message.clone())
            })
            .collect()
    }

    /// The stream ended, and its client got no further than `sequence`.
    pub(crate) fn unsay_after(&mut self, sequence: u64, now: Instant) {
        for entry in self.entries.iter_mut().filter(|entry| entry.sequence > sequence) {
            entry.said = false;
            entry.since = now;
        }
    }

    /// Takes out the requests that wait, for a stream other than the standalone one.
    pub(crate) fn take_requests(&mut self) -> Vec<Bytes> {
        let (taken, kept) = self.entries.drain(..).partition::<VecDeque<_>, _>(Entry::is_waiting_request);
        self.entries = kept;
        self.bytes -= taken.iter().map(|entry| entry.message.len()).sum::<usize>();
        taken.into_iter().map(|entry| entry.message).collect()
    }

    /// The request needs no answer any more: it is not said again, nor at all.
    pub(crate) fn forget(&mut self, request: &[u8]) {
        if let Some(at) = self.entries.iter().position(|entry| entry.request.as_deref() == Some(request)) {
            self.remove(at);
        }
    }

    /// Takes out the requests that have waited too long, and returns their ids.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Bytes> {
        let is_late = |entry: &Entry| entry.is_waiting_request() && now.duration_since(entry.since) >= HOLD;
        let mut refused = Vec::new();
        while let Some(at) = self.entries.iter().position(is_late) {
            refused.extend(self.remove(at));
        }
        refused
    }

    /// When [`Outbox::expire`] next has something to do.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.entries.iter().filter(|entry| entry.is_waiting_request()).map(|entry| entry.since + HOLD).min()
    }

    pub(crate) fn has_waiting_requests(&self) -> bool {
        self.entries.iter().any(Entry::is_waiting_request)
    }

    fn waiting_requests(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_waiting_request()).count()
    }

    /// The id of the request removed, if nobody has heard it.
    fn remove(&mut self, at: usize) -> Option<Bytes> {
        let entry = self.entries.remove(at)?;
        self.bytes -= entry.message.len();
        if entry.said { None } else { entry.request }
    }
}

impl Entry {
    fn is_waiting_request(&self) -> bool {
        self.request.is_some() && !self.said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(Bounds { events: 300, bytes: 1 << 20 })
    }

    fn push(outbox: &mut Outbox, sequence: u64, request: Option<&'static str>, said: bool) -> Vec<Bytes> {
        let request = request.map(|id| Bytes::from_static(id.as_bytes()));
        outbox.push((sequence, Bytes::from_static(b"m")), request, said, Instant::now())
    }

    fn numbers(events: &[Numbered]) -> Vec<u64> {
        events.iter().map(|(number, _)| *number).collect()
    }

    #[tokio::test]
    async fn what_was_said_before_anybody_listened_is_not_lost() {
        let mut outbox = outbox();
        push(&mut outbox, 1, None, false);
        push(&mut outbox, 2, Some("1"), false);
        assert_eq!(numbers(&outbox.open(None)), [1, 2]);
        assert_eq!(numbers(&outbox.open(None)), [0; 0]);
        assert!(!outbox.has_waiting_requests());
    }

    #[tokio::test]
    async fn a_resumed_stream_says_again_what_its_client_missed() {
        let mut outbox = outbox();
        outbox.open(None);
        for sequence in 1..=4 {
            push(&mut outbox, sequence, None, sequence < 4);
        }
        assert_eq!(numbers(&outbox.open(Some(2))), [3, 4]);
    }

    #[tokio::test]
    async fn what_a_lost_client_did_not_get_is_said_to_the_next_one() {
        let mut outbox = outbox();
        push(&mut outbox, 1, None, true);
        push(&mut outbox, 2, Some("9"), true);
        outbox.unsay_after(1, Instant::now());
        assert!(outbox.has_waiting_requests());
        assert_eq!(numbers(&outbox.open(None)), [2]);
    }

    #[tokio::test]
    async fn requests_that_find_no_room_are_given_back_to_be_refused() {
        let mut outbox = outbox();
        outbox.open(None);
        for sequence in 1..=64 {
            assert!(push(&mut outbox, sequence, Some("7"), false).is_empty());
        }
        assert_eq!(push(&mut outbox, 65, Some("7"), false), [Bytes::from_static(b"7")]);
    }

    #[tokio::test]
    async fn a_client_that_never_listens_costs_little() {
        let mut outbox = outbox();
        for sequence in 1..=200 {
            push(&mut outbox, sequence, None, false);
        }
        assert_eq!(outbox.open(None).len(), UNHEARD.events);
    }

    #[tokio::test]
    async fn a_request_taken_back_is_not_said() {
        let mut outbox = outbox();
        push(&mut outbox, 1, Some("1"), false);
        push(&mut outbox, 2, Some("2"), false);
        outbox.forget(b"1");
        assert_eq!(outbox.take_requests().len(), 1);
        assert_eq!(numbers(&outbox.open(None)), [0; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_does_not_wait_for_ever_for_a_client_that_does_not_listen() {
        let mut outbox = outbox();
        push(&mut outbox, 1, Some("1"), false);
        let expiry = outbox.next_expiry().unwrap();
        assert!(outbox.expire(Instant::now()).is_empty());
        assert_eq!(outbox.expire(expiry), [Bytes::from_static(b"1")]);
        assert_eq!(outbox.next_expiry(), None);
    }
}
