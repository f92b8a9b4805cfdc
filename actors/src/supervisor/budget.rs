//! The error budget of one key: what counts, when it is spent, when it heals.

use std::time::Duration;

use mcpvisor_config::{Backoff, Pool};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::backoff;

/// A streak of faults ends once an incarnation has been ready for this long.
const STEADY: Duration = Duration::from_secs(10);

/// Faults counted against `max_error_count`. Written by the Supervisor only; kept in the session's record, since a
/// session that fails must not get a clean count by being evicted, or by a bug of ours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Budget {
    errors: u32,
    total: u64,
    /// Faults in a row, for the backoff.
    streak: u32,
    /// Stops in a row, for the cooldown.
    stops: u32,
    // Moments mean nothing in another process: what was counted goes along, healing starts anew there.
    #[serde(skip)]
    last_error: Option<Instant>,
    #[serde(skip)]
    ready_since: Option<Instant>,
    #[serde(skip)]
    stopped: Option<Stopped>,
}

/// The key is stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stopped {
    /// Requests are refused until then.
    pub(crate) until: Instant,
    /// No restart can help.
    pub(crate) fatal: bool,
}

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Restart after this long.
    Restart(Duration),
    /// The budget is spent: stop, and refuse for this long.
    Stop(Duration),
}

impl Budget {
    /// Errors that count at `now`: zero once ready and quiet for `reset_after` (zero = never).
    pub(crate) fn errors(&self, now: Instant, pool: &Pool) -> u32 {
        if self.quiet(now, pool) { 0 } else { self.errors }
    }

    /// Errors in all.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The backend answered its handshake. One that died with the Registry was never told to have ended.
    pub(crate) fn ready(&mut self, now: Instant, pool: &Pool) {
        self.ended(now, pool);
        self.ready_since = Some(now);
    }

    /// An incarnation ended without a fault. What had healed by then stays healed.
    pub(crate) fn ended(&mut self, now: Instant, pool: &Pool) {
        self.heal(now, pool);
        if self.steady(now) {
            self.streak = 0;
        }
        self.ready_since = None;
    }

    /// A fault ended the incarnation. `random` in 0..1 spreads the restarts of many keys.
    pub(crate) fn fault(&mut self, now: Instant, pool: &Pool, backoff: &Backoff, random: f64) -> Verdict {
        self.streak = if self.steady(now) { 1 } else { self.streak.saturating_add(1) };
        self.count(now, pool);
        self.ready_since = None;
        if self.errors > pool.max_error_count {
            return Verdict::Stop(self.stop(pool));
        }
        Verdict::Restart(backoff::delay(self.streak, backoff, random))
    }

    /// An error that leaves the incarnation alive (`record_error`, one failed POST); true if it passes the
    /// limit.
    pub(crate) fn external(&mut self, now: Instant, pool: &Pool) -> bool {
        self.count(now, pool);
        self.errors > pool.max_error_count
    }

    /// A fault that no restart can help.
    pub(crate) fn fatal(&mut self, now: Instant, pool: &Pool) -> Duration {
        self.count(now, pool);
        self.ready_since = None;
        self.stop(pool)
    }

    /// After a stop the next launch starts with zero errors; the cooldown remembers the stop.
    pub(crate) fn forgive(&mut self) {
        self.errors = 0;
        self.streak = 0;
        self.ready_since = None;
        self.stopped = None;
    }

    /// Notes that the key is stopped until the end of its cooldown.
    pub(crate) fn stopped_until(&mut self, until: Instant, fatal: bool) {
        self.stopped = Some(Stopped { until, fatal });
    }

    /// Whether the key was stopped and not launched since.
    pub(crate) fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    fn count(&mut self, now: Instant, pool: &Pool) {
        self.heal(now, pool);
        self.errors = self.errors.saturating_add(1);
        self.total += 1;
        self.last_error = Some(now);
    }

    fn heal(&mut self, now: Instant, pool: &Pool) {
        if self.quiet(now, pool) {
            self.errors = 0;
            self.stops = 0;
        }
    }

    /// The cooldown that follows this stop: doubled at each successive one.
    pub(crate) fn stop(&mut self, pool: &Pool) -> Duration {
        self.stops = self.stops.saturating_add(1);
        let factor = 1_u32.checked_shl(self.stops.saturating_sub(1)).unwrap_or(u32::MAX);
        pool.cooldown.saturating_mul(factor).min(pool.cooldown_max.max(pool.cooldown))
    }

    fn steady(&self, now: Instant) -> bool {
        self.ready_since.is_some_and(|since| now.saturating_duration_since(since) >= STEADY)
    }

    fn quiet(&self, now: Instant, pool: &Pool) -> bool {
        let quiet_since =
            self.ready_since.map(|ready| self.last_error.map_or(ready, |error| error.max(ready)));
        !pool.reset_after.is_zero()
            && quiet_since.is_some_and(|since| now.saturating_duration_since(since) >= pool.reset_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: Pool = Pool {
        idle_timeout: Duration::from_secs(1800),
        cleanup_interval: Duration::from_secs(300),
        max_error_count: 2,
        reset_after: Duration::from_secs(600),
        cooldown: Duration::from_secs(30),
        cooldown_max: Duration::from_secs(100),
    };
    const BACKOFF: Backoff =
        Backoff { min: Duration::from_millis(250), max: Duration::from_secs(30), jitter: 0.0 };

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn the_third_fault_passes_a_limit_of_two() {
        let now = Instant::now();
        let mut budget = Budget::default();
        assert_eq!(budget.fault(now, &POOL, &BACKOFF, 0.0), Verdict::Restart(Duration::ZERO));
        assert_eq!(budget.fault(now, &POOL, &BACKOFF, 0.0), Verdict::Restart(BACKOFF.min));
        assert_eq!(budget.fault(now, &POOL, &BACKOFF, 0.0), Verdict::Stop(secs(30)));
        assert_eq!(budget.errors(now, &POOL), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_zero_stops_at_the_first_fault() {
        let pool = Pool { max_error_count: 0, ..POOL };
        let verdict = Budget::default().fault(Instant::now(), &pool, &BACKOFF, 0.0);
        assert_eq!(verdict, Verdict::Stop(secs(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn errors_are_forgotten_after_quiet_readiness_only() {
        let start = Instant::now();
        let mut budget = Budget::default();
        budget.fault(start, &POOL, &BACKOFF, 0.0);
        assert_eq!(budget.errors(start + secs(6000), &POOL), 1, "not ready: nothing heals");
        budget.ready(start + secs(1), &POOL);
        assert_eq!(budget.errors(start + secs(600), &POOL), 1);
        assert_eq!(budget.errors(start + secs(601), &POOL), 0);
        let never = Pool { reset_after: Duration::ZERO, ..POOL };
        assert_eq!(budget.errors(start + secs(60_000), &never), 1);
        budget.fault(start + secs(700), &POOL, &BACKOFF, 0.0);
        assert_eq!(budget.errors(start + secs(700), &POOL), 1);
        assert_eq!(budget.total(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cooldown_doubles_up_to_its_bound_and_shrinks_after_quiet() {
        let mut now = Instant::now();
        let pool = Pool { max_error_count: 0, ..POOL };
        let mut budget = Budget::default();
        for expected in [30, 60, 100, 100] {
            assert_eq!(budget.fault(now, &pool, &BACKOFF, 0.0), Verdict::Stop(secs(expected)));
            budget.forgive();
        }
        budget.ready(now, &POOL);
        now += pool.reset_after;
        assert_eq!(budget.fault(now, &pool, &BACKOFF, 0.0), Verdict::Stop(secs(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_incarnation_ends_the_streak() {
        let now = Instant::now();
        let pool = Pool { max_error_count: 100, ..POOL };
        let mut budget = Budget::default();
        for _ in 0..4 {
            budget.fault(now, &pool, &BACKOFF, 0.0);
        }
        assert_eq!(budget.fault(now, &pool, &BACKOFF, 0.0), Verdict::Restart(secs(2)));
        budget.ready(now, &POOL);
        assert_eq!(budget.fault(now + STEADY, &pool, &BACKOFF, 0.0), Verdict::Restart(Duration::ZERO));
    }

    /// A session that was well for hours would be stopped for errors of long ago, only because it was evicted since.
    #[tokio::test(start_paused = true)]
    async fn what_had_healed_before_an_eviction_stays_healed() {
        let start = Instant::now();
        let pool = Pool { max_error_count: 9, ..POOL };
        let mut budget = Budget::default();
        for _ in 0..4 {
            budget.fault(start, &pool, &BACKOFF, 0.0);
        }
        let mut early = budget.clone();
        budget.ready(start, &POOL);
        budget.ended(start + pool.reset_after, &pool);
        assert_eq!(budget.errors(start + pool.reset_after, &pool), 0);
        let verdict = budget.fault(start + pool.reset_after, &pool, &BACKOFF, 0.0);
        assert_eq!(verdict, Verdict::Restart(Duration::ZERO));
        early.ready(start, &POOL);
        early.ended(start + secs(1), &pool);
        assert_eq!(early.errors(start + pool.reset_after, &pool), 4, "it had not healed");
    }

    #[tokio::test(start_paused = true)]
    async fn errors_from_outside_count_and_stop() {
        let now = Instant::now();
        let mut budget = Budget::default();
        let passed = [0; 3].map(|_| budget.external(now, &POOL));
        assert_eq!(passed, [false, false, true]);
    }
}
