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
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(30);

    fn key(session: usize) -> ConnectionKey {
        ConnectionKey::new("b", session.to_string())
    }

    fn fail(breaker: &mut Breaker, session: usize, now: Instant) -> Option<Instant> {
        breaker.launch_failed(&key(session), now, "exit code 1".into())
    }

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(3, COOLDOWN);
        assert_eq!((0..3).filter_map(|session| fail(&mut breaker, session, now)).count(), 1);
        breaker
    }

    /// A backend that cannot start would be started over and over, for every session anew.
    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_over_three_keys_open_it() {
        let now = Instant::now();
        let mut breaker = open(now);
        assert!(breaker.is_open());
        assert_eq!(breaker.admits(&key(9), now), Err(now + COOLDOWN));
        assert_eq!(breaker.cause(), Some("exit code 1"));
    }

    /// One session with bad luck would keep all others from their backend.
    #[tokio::test(start_paused = true)]
    async fn one_key_alone_never_opens_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3, COOLDOWN);
        assert!((0..50).all(|_| fail(&mut breaker, 1, now).is_none()));
        assert!((0..50).all(|_| fail(&mut breaker, 2, now).is_none()));
        assert!(fail(&mut breaker, 3, now).is_some(), "the third key");
    }

    #[tokio::test(start_paused = true)]
    async fn an_incarnation_that_was_steady_ends_the_row() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3, COOLDOWN);
        breaker.ready(&key(7), now);
        fail(&mut breaker, 1, now);
        fail(&mut breaker, 2, now);
        assert_eq!(fail(&mut breaker, 3, now + STEADY), None, "the seventh has been steady since");
        assert_eq!(breaker.died(&key(7), now + STEADY, "exit".into()), None, "its death is no failure");
        fail(&mut breaker, 1, now + STEADY);
        fail(&mut breaker, 2, now + STEADY);
        assert!(fail(&mut breaker, 3, now + STEADY).is_some());
    }

    /// Short sessions that work would not count against crashes of others.
    #[tokio::test(start_paused = true)]
    async fn one_that_ended_in_order_ends_the_row() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3, COOLDOWN);
        for session in 0..9 {
            assert_eq!(fail(&mut breaker, session, now), None);
            breaker.ready(&key(session), now);
            breaker.left(&key(session), now);
        }
    }

    /// A backend whose servers work for long, and are killed now and then, would be taken for one that does not work.
    #[tokio::test(start_paused = true)]
    async fn the_death_of_a_steady_one_ends_the_row() {
        let start = Instant::now();
        let mut breaker = Breaker::new(3, COOLDOWN);
        for session in 0..9 {
            breaker.ready(&key(session), start);
        }
        let now = start + STEADY;
        for session in 0..9 {
            assert_eq!(fail(&mut breaker, 20 + session, now), None, "{session}");
            assert_eq!(breaker.died(&key(session), now, "exit".into()), None);
        }
        assert!((0..3).any(|session| fail(&mut breaker, session, now).is_some()), "without any it opens");
    }

    /// A backend that fails for weeks without three in a row would take more and more memory.
    #[tokio::test(start_paused = true)]
    async fn no_more_keys_are_remembered_than_matter() {
        let now = Instant::now();
        let mut breaker = Breaker::new(u32::MAX, COOLDOWN);
        for session in 0..1000 {
            fail(&mut breaker, session, now);
        }
        assert_eq!(breaker.keys.len(), KEYS);
    }

    #[tokio::test(start_paused = true)]
    async fn deaths_soon_after_ready_count() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3, COOLDOWN);
        for session in 0..3 {
            breaker.ready(&key(session), now);
        }
        let died: Vec<_> = (0..3).map(|session| breaker.died(&key(session), now, "exit".into())).collect();
        assert_eq!(died, [None, None, Some(now + COOLDOWN)]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_cooldown_one_launch_tries_for_all() {
        let start = Instant::now();
        let mut breaker = open(start);
        let now = start + COOLDOWN;
        assert_eq!(breaker.holds(now), None);
        assert_eq!(breaker.admits(&key(5), now), Ok(()));
        assert!(breaker.admits(&key(6), now).is_err(), "one at a time");
        assert!(breaker.admits(&key(5), now).is_ok());
        assert_eq!(fail(&mut breaker, 5, now), Some(now + COOLDOWN), "open again");
        let now = now + COOLDOWN;
        assert_eq!(breaker.admits(&key(6), now), Ok(()));
        breaker.ready(&key(6), now);
        assert!(!breaker.is_open());
        assert!(breaker.died(&key(6), now, "exit".into()).is_some(), "too soon: open again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_trying_leaves_it_to_the_next() {
        let start = Instant::now();
        let mut breaker = open(start);
        let now = start + COOLDOWN;
        assert!(breaker.admits(&key(5), now).is_ok());
        breaker.left(&key(5), now);
        assert!(breaker.is_open());
        assert!(breaker.admits(&key(6), now).is_ok());
        breaker.reset();
        assert!(!breaker.is_open() && breaker.admits(&key(7), now).is_ok());
    }
}
