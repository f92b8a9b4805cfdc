//! What a stream said last: bounded, numbered, for a client that asks again.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::front::events::Numbered;

/// How much is kept, per stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// `limits.replay_events`
    pub(crate) events: usize,
    /// `limits.replay_bytes`
    pub(crate) bytes: usize,
}

/// The last events of one stream. The very last is kept whatever its size: it may be the answer.
#[derive(Debug)]
pub(crate) struct Replay {
    bounds: Bounds,
    next: u64,
    primed: bool,
    events: VecDeque<Numbered>,
    bytes: usize,
}

impl Replay {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, next: 1, primed: false, events: VecDeque::new(), bytes: 0 }
    }

    /// One without events, under the same bounds.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(self.bounds)
    }

    /// Notes that the client has an id to resume from although nothing was said.
    pub(crate) fn prime(&mut self) {
        self.primed = true;
    }

    /// Whether a client can have an id of this stream.
    pub(crate) fn was_used(&self) -> bool {
        self.primed || self.next > 1
    }

    /// Keeps a message and gives it its number.
    pub(crate) fn push(&mut self, message: Bytes) -> u64 {
        let sequence = self.next;
        self.next += 1;
        self.bytes += message.len();
        self.events.push_back((sequence, message));
        while self.events.len() > 1
            && (self.events.len() > self.bounds.events || self.bytes > self.bounds.bytes)
        {
            self.bytes -= self.events.pop_front().map_or(0, |(_, message)| message.len());
        }
        sequence
    }

    /// What followed the event `sequence`, as far as it is kept.
    pub(crate) fn after(&self, sequence: u64) -> Vec<Numbered> {
        self.events.iter().filter(|(number, _)| *number > sequence).cloned().collect()
    }

    /// Bytes kept.
    pub(crate) fn size(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(events: usize, bytes: usize, messages: &[&'static str]) -> Replay {
        let mut replay = Replay::new(Bounds { events, bytes });
        for message in messages {
            replay.push(Bytes::from_static(message.as_bytes()));
        }
        replay
    }

    fn after(replay: &Replay, sequence: u64) -> Vec<u64> {
        replay.after(sequence).iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_client_gets_what_it_missed_and_nothing_twice() {
        let replay = replay(10, 100, &["a", "b", "c"]);
        assert_eq!(after(&replay, 0), [1, 2, 3]);
        assert_eq!(after(&replay, 2), [3]);
        assert_eq!(after(&replay, 3), [0; 0]);
        assert_eq!(after(&replay, 99), [0; 0]);
    }

    #[test]
    fn old_events_go_when_there_are_too_many_or_they_are_too_long() {
        assert_eq!(after(&replay(2, 100, &["a", "b", "c"]), 0), [2, 3]);
        assert_eq!(after(&replay(10, 4, &["aa", "bb", "cc"]), 0), [2, 3]);
    }

    #[test]
    fn the_answer_is_kept_even_if_it_alone_is_over_the_bound() {
        let replay = replay(10, 4, &["aa", "a very long answer"]);
        assert_eq!(after(&replay, 0), [2]);
        assert_eq!(replay.size(), 18);
    }

    #[test]
    fn a_stream_without_ids_cannot_be_resumed() {
        let mut replay = replay(1, 1, &[]);
        assert!(!replay.was_used());
        replay.prime();
        assert!(replay.was_used());
    }
}
