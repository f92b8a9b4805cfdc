//! Token buckets, in the form of the generic cell rate algorithm: one number, the time at which the bucket is full again.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mcpvisor_actors::Overload;
use mcpvisor_config::Rate;
use tokio::time::Instant;

use super::Full;
use super::shares::Shares;

const SECOND: u64 = 1_000_000_000;

/// One bucket, full at first. Its rate is told at each use, so that a reload need not make another.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// When it is full again, on [`clock`].
    full_at: AtomicU64,
}

/// The buckets of all principals at one backend, and the rate that they have.
pub(crate) struct Rates {
    /// Requests per second and burst, in one number: zero, and with it nothing else to look at, where there is no rate.
    rate: AtomicU64,
    shares: Shares<Bucket>,
}

/// Nanoseconds since the first look.
pub(super) fn clock() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Bucket {
    /// Takes one, or says which bound is reached and until when. A rate that is off costs nothing, not even the clock.
    pub(super) fn check(&self, rate: Rate, what: Overload) -> Result<(), Full> {
        if !rate.is_on() {
            return Ok(());
        }
        self.take(rate, clock()).map_err(|wait| Full::of(what, rate.requests_per_second as usize, wait))
    }

    /// Whether nothing would be lost if it were made anew.
    pub(super) fn is_full(&self, now: u64) -> bool {
        self.full_at.load(Relaxed) <= now
    }

    fn take(&self, rate: Rate, now: u64) -> Result<(), Duration> {
        let each = SECOND / u64::from(rate.requests_per_second.max(1));
        let depth = each.saturating_mul(u64::from(rate.at_once()));
        let mut wait = 0;
        let taken = self.full_at.fetch_update(Relaxed, Relaxed, |full_at| {
            let next = full_at.max(now).saturating_add(each);
            wait = next.saturating_sub(now).saturating_sub(depth);
            (wait == 0).then_some(next)
        });
        taken.map(drop).map_err(|_| Duration::from_nanos(wait))
    }
}

impl Rates {
    pub(crate) fn new(rate: Rate) -> Self {
        let this = Self { rate: AtomicU64::new(0), shares: Shares::default() };
        this.configure(rate);
        this
    }

    /// From now on it is another.
    pub(crate) fn configure(&self, rate: Rate) {
        let packed =
            if rate.is_on() { u64::from(rate.requests_per_second) << 32 | u64::from(rate.burst) } else { 0 };
        self.rate.store(packed, Relaxed);
    }

    /// Takes note of one request, if that is not one too many.
    pub(crate) fn check(&self, principal: &str) -> Result<(), Full> {
        let packed = self.rate.load(Relaxed);
        if packed == 0 {
            return Ok(());
        }
        #[expect(clippy::cast_possible_truncation, reason = "two numbers in one")]
        let rate = Rate { requests_per_second: (packed >> 32) as u32, burst: packed as u32 };
        self.shares.of(principal).check(rate, Overload::Rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { requests_per_second: 10, burst: 3 };

    fn taken(bucket: &Bucket, now: u64, times: usize) -> usize {
        (0..times).filter(|_| bucket.take(RATE, now).is_ok()).count()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let bucket = Bucket::default();
        assert_eq!(taken(&bucket, SECOND, 10), 3);
        assert_eq!(bucket.take(RATE, SECOND), Err(Duration::from_millis(100)));
        assert_eq!(taken(&bucket, SECOND + SECOND / 10, 10), 1);
        let rest = (2..=20).map(|tenth| taken(&bucket, SECOND + tenth * SECOND / 10, 10)).sum::<usize>();
        assert_eq!(rest, 19, "one each tenth of a second");
    }

    #[test]
    fn what_was_not_used_is_kept_up_to_the_burst() {
        let bucket = Bucket::default();
        assert_eq!(taken(&bucket, 0, 10), 3);
        assert!(!bucket.is_full(SECOND / 10) && bucket.is_full(3 * SECOND / 10));
        assert_eq!(taken(&bucket, 60 * SECOND, 10), 3);
    }

    /// Who waits as long as he is told would be refused again.
    #[test]
    fn the_wait_that_is_told_is_enough() {
        let rate = Rate { requests_per_second: 7, burst: 0 };
        let (bucket, mut now) = (Bucket::default(), 12_345);
        for _ in 0..50 {
            if let Err(wait) = bucket.take(rate, now) {
                now += u64::try_from(wait.as_nanos()).unwrap();
                assert_eq!(bucket.take(rate, now), Ok(()));
            }
        }
        assert!(now > 6 * SECOND, "{now}");
    }
}
