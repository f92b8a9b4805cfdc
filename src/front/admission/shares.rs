//! What is known of each principal. As many as are at work, and a few more: who does nothing is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use papaya::HashMap;

use super::bucket::{Bucket, clock};
use super::tally::Tally;

/// So many may be kept that do nothing, before somebody looks.
const SPARE: usize = 1024;

/// Of one principal.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) sessions: Tally,
    pub(super) requests: Tally,
    pub(super) streams: Tally,
    pub(super) bucket: Bucket,
}

/// By principal. Reads take no lock.
pub(super) struct Shares<T> {
    known: HashMap<Arc<str>, Arc<T>>,
    /// How many were left by the last look.
    left: AtomicUsize,
}

/// What is known of a principal.
pub(super) trait Known: Default {
    /// Whether a new one would be the same.
    fn is_unused(&self, now: u64) -> bool;
}

impl Known for Share {
    fn is_unused(&self, now: u64) -> bool {
        self.sessions.is_zero()
            && self.requests.is_zero()
            && self.streams.is_zero()
            && self.bucket.is_full(now)
    }
}

impl Known for Bucket {
    fn is_unused(&self, now: u64) -> bool {
        self.is_full(now)
    }
}

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self { known: HashMap::new(), left: AtomicUsize::new(0) }
    }
}

impl<T: Known> Shares<T> {
    pub(super) fn of(&self, principal: &str) -> Arc<T> {
        let known = self.known.pin();
        if let Some(share) = known.get(principal) {
            return share.clone();
        }
        if known.len() > 2 * self.left.load(Relaxed) + SPARE {
            let now = clock();
            // Whoever holds it is about to count something.
            known.retain(|_, share| Arc::strong_count(share) > 1 || !share.is_unused(now));
            self.left.store(known.len(), Relaxed);
        }
        known.get_or_insert_with(principal.into(), Arc::default).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever can make up names, such as subjects of tokens, would fill the memory.
    #[test]
    fn who_does_nothing_is_forgotten_and_who_does_is_not() {
        let shares = Shares::<Share>::default();
        let busy = shares.of("busy").sessions.take(1).unwrap();
        for number in 0..5 * SPARE {
            shares.of(&format!("p{number}"));
        }
        assert!(shares.known.len() <= 2 * SPARE, "{}", shares.known.len());
        assert!(shares.of("busy").sessions.take(1).is_err(), "it still has its session");
        drop(busy);
        assert!(shares.of("busy").sessions.take(1).is_ok());
    }
}
