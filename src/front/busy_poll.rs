//! Looking for more before going to sleep.
//!
//! A call through a process wakes somebody four times, and each time that means waking a core that has gone to sleep: on a virtual
//! machine that costs more than all the work of the call. Who keeps looking for a moment after a request arrives, and after its
//! answer has left, is already awake when the backend answers and when the client asks again (`docs/performance.md`). The
//! core is offered to everybody else between two looks, and a service without requests sleeps as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Keeps a worker of the runtime awake for a moment after traffic (`gateway.busy_poll`).
pub(super) struct BusyPoll {
    attention: Arc<Attention>,
    task: AbortHandle,
}

/// Nothing here decides anything but when to sleep: what is missed in a race costs a wake-up.
#[derive(Default)]
struct Attention {
    /// Nanoseconds; zero = off.
    patience: AtomicU64,
    traffic: AtomicBool,
    /// It waits to be woken: never so while it is off.
    asleep: AtomicBool,
    wake: Notify,
}

impl BusyPoll {
    /// On the current runtime, for so long after the last traffic; zero = off.
    pub(super) fn start(patience: Duration) -> Self {
        let attention = Arc::new(Attention::default());
        let task = tokio::spawn(attention.clone().watch()).abort_handle();
        let this = Self { attention, task };
        this.configure(patience);
        this
    }

    /// From now on for so long; zero = off.
    pub(super) fn configure(&self, patience: Duration) {
        let nanos = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        self.attention.patience.store(nanos, Relaxed);
        self.attention.asleep.store(nanos > 0, Relaxed);
    }

    /// A request has come, or an answer is about to leave.
    pub(super) fn traffic(&self) {
        let attention = &self.attention;
        attention.traffic.store(true, Relaxed);
        if attention.asleep.load(Relaxed) && attention.asleep.swap(false, Relaxed) {
            attention.wake.notify_one();
        }
    }
}

impl Drop for BusyPoll {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Attention {
    async fn watch(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            let mut last = Instant::now();
            loop {
                let now = Instant::now();
                if self.traffic.swap(false, Relaxed) {
                    last = now;
                } else if now.duration_since(last) >= self.patience() {
                    break;
                }
                // Whoever else wants this core gets it: most of all the backend that was just given something to do.
                std::thread::yield_now();
                // Everything that is ready runs, then the runtime looks for events without waiting for any.
                tokio::task::yield_now().await;
            }
            self.asleep.store(!self.patience().is_zero(), Relaxed);
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_nanos(self.patience.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn eventually(what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("in vain: {what}");
    }

    /// One that never slept again would use a core for ever.
    #[tokio::test]
    async fn it_sleeps_when_nothing_comes_and_wakes_when_something_does() {
        let poll = BusyPoll::start(Duration::from_millis(20));
        for _ in 0..3 {
            assert!(poll.attention.asleep.load(Relaxed));
            poll.traffic();
            assert!(!poll.attention.asleep.load(Relaxed), "it was woken");
            eventually("asleep again", || poll.attention.asleep.load(Relaxed)).await;
        }
    }

    #[tokio::test]
    async fn one_that_is_off_is_not_woken_until_it_is_on() {
        let poll = BusyPoll::start(Duration::ZERO);
        poll.traffic();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(poll.attention.traffic.load(Relaxed), "nobody has looked");
        poll.configure(Duration::from_millis(1));
        poll.traffic();
        eventually("seen, and asleep again", || {
            !poll.attention.traffic.load(Relaxed) && poll.attention.asleep.load(Relaxed)
        })
        .await;
        poll.configure(Duration::ZERO);
        poll.traffic();
        assert!(!poll.attention.asleep.load(Relaxed), "off");
    }
}
