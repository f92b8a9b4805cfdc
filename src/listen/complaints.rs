//! Says that connections were not accepted, now and then: it happens many times a second, or not at all.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

/// Between two complaints.
const QUIET: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default)]
pub(super) struct Complaints {
    last: Option<Instant>,
    since: u64,
}

impl Complaints {
    /// One more was not accepted.
    pub(super) fn add(&mut self, error: impl Display, now: Instant) {
        self.since += 1;
        if self.last.is_none_or(|last| now.duration_since(last) >= QUIET) {
            let connections = std::mem::take(&mut self.since);
            self.last = Some(now);
            tracing::warn!(event = "front.accept_failed", connections, %error, "not accepted");
        }
    }
}
