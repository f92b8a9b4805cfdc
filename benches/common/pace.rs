//! Moments at equal distances, to the microsecond: the runtime's own timers have milliseconds, more than a call takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Moments as they come. Whoever is late finds all that he has missed, one after the other.
pub(crate) type Moments = UnboundedReceiver<Instant>;

/// Starts a clock: a thread that sleeps. It goes on until nobody listens any more.
#[derive(Default)]
pub(crate) struct Clock {
    beats: Vec<Beat>,
}

struct Beat {
    next: Instant,
    every: Duration,
    listener: UnboundedSender<Instant>,
}

impl Clock {
    /// From `first` on, which should not have passed when the clock starts.
    pub(crate) fn moments(&mut self, first: Instant, every: Duration) -> Moments {
        let (listener, moments) = unbounded_channel();
        self.beats.push(Beat { next: first, every, listener });
        moments
    }

    pub(crate) fn start(self) {
        thread::spawn(move || run(self.beats));
    }
}

fn run(mut beats: Vec<Beat>) {
    let mut order: BinaryHeap<_> =
        beats.iter().enumerate().map(|(number, beat)| Reverse((beat.next, number))).collect();
    while let Some(Reverse((due, number))) = order.pop() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let Beat { next, every, listener } = &mut beats[number];
        if listener.send(due).is_ok() {
            *next += *every;
            order.push(Reverse((*next, number)));
        }
    }
}
