//! Whether a backend that says nothing will speak again (`supervision.md`, "Liveness that cannot do harm"). Pure.
//!
//! Anything that it says is progress. While something is wanted of it and it says nothing it is pinged, but what
//! it does not answer proves nothing by itself: a server that works on a slow request may read nothing
//! meanwhile. It is given up only if a request has also waited in vain for its whole time.

use std::time::Duration;

use mcpvisor_config::{Backend, Liveness as Setting};
use tokio::time::Instant;

/// A beat that comes so late says that it was we who stood still: what the backend said meanwhile may not
/// have been read yet.
const STANDSTILL: Duration = Duration::from_secs(1);

/// No more pings lie before a backend than this, and no more than `timeouts.missed_pings`: it will find those
/// when it reads again, and more would only fill its pipe, or open connections to it.
const MOST_UNANSWERED: usize = 16;

/// What is known of one incarnation.
pub(super) struct Liveness {
    /// False: silence is never a fault, and nobody pings.
    on: bool,
    heartbeat: Duration,
    missed_pings: u32,
    /// The next ping, if nothing is heard before.
    due: Instant,
    /// A ping went to it one heartbeat before that, or lay before it already.
    pinged: bool,
    /// Pings that had their time to be answered and brought nothing, in a row.
    missed: u32,
    /// A request was not answered in its time, and nothing was heard since.
    timed_out: bool,
    /// The ids on the wire of pings that are not answered.
    unanswered: Vec<u64>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing, until something is wanted of the backend.
    Rest,
    /// Nothing before then.
    Wait(Instant),
    /// Send a ping, report it with [`Liveness::pinged`], and come back then.
    Ping(Instant),
    /// Give the incarnation up.
    Unresponsive,
}

impl Liveness {
    pub(super) fn new(backend: &Backend, now: Instant) -> Self {
        let timeouts = &backend.timeouts;
        Self {
            on: backend.liveness == Setting::On,
            heartbeat: timeouts.heartbeat,
            missed_pings: timeouts.missed_pings,
            due: now + timeouts.heartbeat,
            pinged: false,
            missed: 0,
            timed_out: false,
            unanswered: Vec::new(),
        }
    }

    /// Other settings from now on; what was missed stays missed.
    pub(super) fn configure(&mut self, backend: &Backend) {
        let timeouts = &backend.timeouts;
        self.on = backend.liveness == Setting::On;
        self.due = self.due.checked_sub(self.heartbeat).unwrap_or(self.due) + timeouts.heartbeat;
        (self.heartbeat, self.missed_pings) = (timeouts.heartbeat, timeouts.missed_pings);
    }

    /// The backend has said something. It comes with every message, so this is all that it costs.
    pub(super) fn heard(&mut self, now: Instant) {
        self.excuse(now);
        self.timed_out = false;
    }

    /// The silence up to now was not the backend's: it waits for its client.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.due = now + self.heartbeat;
        self.pinged = false;
        self.missed = 0;
    }

    /// A backend of which nothing was wanted is asked for something: its silence begins here.
    pub(super) fn wanted(&mut self, now: Instant) {
        // One that owes the proof that it lives has not given it by being asked again.
        if !self.timed_out {
            self.excuse(now);
        }
    }

    /// When to look next, if something is wanted of the backend; `None`: never.
    pub(super) fn due(&self) -> Option<Instant> {
        self.on.then_some(self.due)
    }

    /// A request was not answered in its time. A backend that was heard of late is asked at once, before it
    /// gets anything else to do: it shall clear itself of that.
    pub(super) fn timed_out(&mut self, now: Instant) {
        self.timed_out = true;
        if !self.pinged {
            self.due = now;
        }
    }

    /// This ping is on its way. One that the link did not take is not reported, and not missed.
    pub(super) fn pinged(&mut self, wire: u64) {
        self.pinged = true;
        self.unanswered.push(wire);
    }

    /// Takes a ping off the list, answered or failed. False if it was none.
    pub(super) fn settle(&mut self, wire: u64) -> bool {
        let at = self.unanswered.iter().position(|ping| *ping == wire);
        at.map(|at| self.unanswered.swap_remove(at)).is_some()
    }

    /// Whether this is a ping that is not answered.
    pub(super) fn is_ping(&self, wire: u64) -> bool {
        self.unanswered.contains(&wire)
    }

    /// To be called when it is due, and when a request has timed out. `busy`: requests are in flight.
    pub(super) fn beat(&mut self, now: Instant, busy: bool) -> Beat {
        if !self.on || !busy && !self.timed_out {
            return Beat::Rest;
        }
        if now >= self.due + STANDSTILL {
            self.missed = 0;
        } else if now >= self.due && self.pinged {
            self.missed = self.missed.saturating_add(1);
        }
        if self.timed_out && self.missed >= self.missed_pings {
            return Beat::Unresponsive;
        }
        if now < self.due {
            return Beat::Wait(self.due);
        }
        self.due = now + self.heartbeat;
        let room = MOST_UNANSWERED.min(usize::try_from(self.missed_pings).unwrap_or(usize::MAX));
        self.pinged = self.unanswered.len() >= room;
        if self.pinged { Beat::Wait(self.due) } else { Beat::Ping(self.due) }
    }
}

#[cfg(test)]
mod tests;
