//! How a connection is used: counters shared by the fast path and the janitor, no messages needed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// No moment at which anything was used.
const NEVER: u64 = u64::MAX;

/// Shared by every route to one key, its Supervisor and its Connection.
#[derive(Debug)]
pub(crate) struct Usage {
    base: Instant,
    last_used: AtomicU64,
    /// The last use after which it is to go if there is none other; [`NEVER`] = it may stay.
    pressed: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicUsize,
    queued: AtomicUsize,
    asked: AtomicUsize,
}

impl Usage {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            base: now,
            last_used: AtomicU64::new(0),
            pressed: AtomicU64::new(NEVER),
            requests: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
        }
    }

    /// A request in either direction, its answer, or its progress; with subscriptions any message of the backend.
    pub(crate) fn touch(&self, now: Instant) {
        let since = now.saturating_duration_since(self.base).as_millis() as u64;
        self.last_used.fetch_max(since, Relaxed);
    }

    /// One more request of a client.
    pub(crate) fn request(&self, now: Instant) {
        self.requests.fetch_add(1, Relaxed);
        self.touch(now);
    }

    /// When the key was first wanted.
    pub(crate) fn created(&self) -> Instant {
        self.base
    }

    pub(crate) fn last_used(&self) -> Instant {
        self.base + Duration::from_millis(self.last_used.load(Relaxed))
    }

    /// Others need its room: unless somebody uses it from now on, it is to go.
    pub(crate) fn press(&self) {
        self.pressed.store(self.last_used.load(Relaxed), Relaxed);
    }

    /// Whether that holds.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed.load(Relaxed) == self.last_used.load(Relaxed)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Nothing is in flight or waits.
    pub(crate) fn idle(&self) {
        self.set_in_flight(0);
        self.set_queued(0);
        self.set_asked(0);
    }

    pub(crate) fn set_in_flight(&self, count: usize) {
        self.in_flight.store(count, Relaxed);
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn set_queued(&self, count: usize) {
        self.queued.store(count, Relaxed);
    }

    /// Requests of the backend that wait at clients.
    pub(crate) fn set_asked(&self, count: usize) {
        self.asked.store(count, Relaxed);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn use_is_remembered_by_its_latest_moment() {
        let start = Instant::now();
        let usage = Usage::new(start);
        usage.request(start + Duration::from_secs(5));
        usage.touch(start + Duration::from_secs(3));
        assert_eq!(usage.last_used(), start + Duration::from_secs(5));
        assert_eq!(usage.requests(), 1);
    }

    /// Who comes back in time would lose his server all the same.
    #[tokio::test(start_paused = true)]
    async fn what_is_used_once_more_need_not_go() {
        let start = Instant::now();
        let usage = Usage::new(start);
        assert!(!usage.is_pressed());
        usage.press();
        assert!(usage.is_pressed());
        usage.touch(start + Duration::from_secs(1));
        assert!(!usage.is_pressed());
    }
}
