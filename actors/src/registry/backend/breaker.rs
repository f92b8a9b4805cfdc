//! Leaves a backend alone for a while when one connection after the other fails. Pure.
//!
//! It counts incarnations in a row that failed to launch or died within [`STEADY`] of ready; at
//! `limits.breaker_threshold` of them, over [`KEYS`] keys or more, it opens: no launch before the cooldown is
//! over, and then one that tries for all. One key alone is stopped by its own budget, not by this.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::key::ConnectionKey;

/// An incarnation that was ready for so long is a good one, whatever becomes of it later.
const STEADY: Duration = Duration::from_secs(10);
/// Fewer keys than these may be at fault themselves.
const KEYS: usize = 3;

#[derive(Debug, Clone, PartialEq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// Half open: this key's launch tries for all.
    Trying(ConnectionKey),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    threshold: u32,
    cooldown: Duration,
    state: State,
    failures: u32,
    keys: HashSet<ConnectionKey>,
    /// Ready, and not yet known to be steady.
    young: HashMap<ConnectionKey, Instant>,
    cause: Option<String>,
}

impl Breaker {
    pub(crate) fn new(threshold: u32, cooldown: Duration) -> Self {
        let (keys, young) = Default::default();
        Self { threshold, cooldown, state: State::Closed, failures: 0, keys, young, cause: None }
    }

    /// Other numbers from now on; what was counted stays.
    pub(crate) fn configure(&mut self, threshold: u32, cooldown: Duration) {
        (self.threshold, self.cooldown) = (threshold, cooldown);
    }

    /// Whether launches are held back: open, or half open.
    pub(crate) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// When it is worth asking again, if no launch of another key would be let through now.
    pub(crate) fn holds(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Open { until } if now < until => Some(until),
            State::Trying(_) => Some(now + self.cooldown),
            State::Closed | State::Open { .. } => None,
        }
    }

    /// The last failure, for people.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Whether `key` may launch now; if not, when it is worth asking again. After the cooldown the first
    /// that asks tries for all.
    pub(crate) fn admits(&mut self, key: &ConnectionKey, now: Instant) -> Result<(), Instant> {
        if self.state == State::Trying(key.clone()) {
            return Ok(());
        }
        if let Some(until) = self.holds(now) {
            return Err(until);
        }
        if self.is_open() {
            self.state = State::Trying(key.clone());
        }
        Ok(())
    }

    /// An incarnation answered its handshake. One that tried for all closes the breaker; should it die young,
    /// that opens it again.
    pub(crate) fn ready(&mut self, key: &ConnectionKey, now: Instant) {
        self.look_back(now);
        if self.state == State::Trying(key.clone()) {
            self.state = State::Closed;
            self.failures = self.threshold.saturating_sub(1);
        }
        self.young.insert(key.clone(), now);
    }

    /// A launch failed. When that opens the breaker: until when.
    pub(crate) fn launch_failed(
        &mut self,
        key: &ConnectionKey,
        now: Instant,
        cause: String,
    ) -> Option<Instant> {
        self.look_back(now);
        self.failed(key, now, cause)
    }

    /// A fault ended an incarnation that had been ready. When that opens the breaker: until when.
    pub(crate) fn died(&mut self, key: &ConnectionKey, now: Instant, cause: String) -> Option<Instant> {
        self.look_back(now);
        if self.young.remove(key).is_some() {
            return self.failed(key, now, cause);
        }
        // It had been steady: no failure of the backend, and so the end of a row.
        if !self.is_open() {
            self.good();
        }
        None
    }

    /// An incarnation ended in order: one that had been ready ends the row, however young. Or its launch was given
    /// up, which says nothing of the backend; if it was the one that tried for all, the next may.
    pub(crate) fn left(&mut self, key: &ConnectionKey, now: Instant) {
        self.look_back(now);
        if self.young.remove(key).is_some() {
            self.good();
        }
        if self.state == State::Trying(key.clone()) {
            self.state = State::Open { until: now };
        }
    }

    /// An operator knows better.
    pub(crate) fn reset(&mut self) {
        self.state = State::Closed;
        self.good();
    }

    fn failed(&mut self, key: &ConnectionKey, now: Instant, cause: String) -> Option<Instant> {
        let tried = self.state == State::Trying(key.clone());
        if self.is_open() && !tried {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        if self.keys.len() < KEYS {
            self.keys.insert(key.clone());
        }
        self.cause = Some(cause);
        if !tried && (self.failures < self.threshold || self.keys.len() < KEYS) {
            return None;
        }
        let until = now + self.cooldown;
        self.state = State::Open { until };
        Some(until)
    }

    /// Whoever has become steady since the last look ends the row of failures. Looked for before each event,
    /// so that no timer is needed.
    fn look_back(&mut self, now: Instant) {
        let before = self.young.len();
        self.young.retain(|_, since| now.saturating_duration_since(*since) < STEADY);
        if self.young.len() < before {
            self.good();
        }
    }

    fn good(&mut self) {
        self.failures = 0;
        self.keys.clear();
        self.cause = None;
    }
}

#[cfg(test)]
mod tests;
