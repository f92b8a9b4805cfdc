//! How the connections of each backend stand, added up when somebody looks.
//!
//! Counted anew from what the actors publish, so nothing drifts, and errors that time has healed are gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::RegistryState;
use super::entry::Entry;
use crate::metrics::{BackendMetrics, Standing};

/// From this share of `max_error_count` on a connection is near its limit.
const NEAR: f64 = 0.8;

/// One connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct One {
    pub(super) errors: u32,
    pub(super) max_errors: u32,
    /// The wait before its restart, and how much of that is left.
    pub(super) wait: Option<(Duration, Duration)>,
    pub(super) to_backend: usize,
    pub(super) to_client: usize,
    pub(super) queued: usize,
}

impl RegistryState {
    /// What is counted of a backend, configured or not.
    pub(super) fn metrics_of(&self, backend: &Arc<str>) -> BackendMetrics {
        let known = self.backends.get(backend).map(|entry| entry.metrics.clone());
        known.unwrap_or_else(|| BackendMetrics::new(backend))
    }

    /// Sets the gauges of every backend.
    pub(super) fn show_standings(&self, done: oneshot::Sender<()>) {
        let now = Instant::now();
        let mut standings: HashMap<&Arc<str>, Standing> = HashMap::new();
        for (key, entry) in &self.entries {
            add(standings.entry(&key.backend_id).or_default(), one(entry, now));
        }
        for (name, entry) in &self.backends {
            entry.metrics.stand(standings.get(name).unwrap_or(&Standing::default()));
        }
        crate::actor::show();
        // Whoever asked may have lost patience.
        let _ = done.send(());
    }
}

fn one(entry: &Entry, now: Instant) -> One {
    let place = entry.route.place();
    let (status, usage) = (place.status.load(), &place.usage);
    let status = status.as_ref();
    One {
        errors: status.map_or(0, |status| status.budget.errors(now, &entry.configured.backend.pool)),
        max_errors: entry.configured.backend.pool.max_error_count,
        wait: status
            .and_then(|status| status.wait)
            .map(|wait| (wait.time, wait.until.saturating_duration_since(now))),
        to_backend: usage.in_flight(),
        to_client: usage.asked(),
        queued: usage.queued(),
    }
}

fn add(all: &mut Standing, one: One) {
    all.errors = all.errors.max(one.errors);
    all.near_limit +=
        usize::from(one.errors > 0 && f64::from(one.errors) >= NEAR * f64::from(one.max_errors));
    if let Some((time, left)) = one.wait {
        all.backoff = all.backoff.max(time);
        all.next_launch = Some(all.next_launch.map_or(left, |next| next.min(left)));
    }
    all.to_backend += one.to_backend;
    all.to_client += one.to_client;
    all.queued += one.queued;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_backend_is_as_bad_as_its_worst_connection_and_as_busy_as_all() {
        let healthy = One { max_errors: 10, to_backend: 2, to_client: 1, ..One::default() };
        let near =
            One { errors: 8, max_errors: 10, wait: Some((secs(4), secs(3))), queued: 5, ..One::default() };
        let waits = One { errors: 7, max_errors: 10, wait: Some((secs(9), secs(8))), ..One::default() };
        let mut all = Standing::default();
        [healthy, near, waits].into_iter().for_each(|one| add(&mut all, one));
        let expected = Standing {
            errors: 8,
            near_limit: 1,
            backoff: secs(9),
            next_launch: Some(secs(3)),
            to_backend: 2,
            to_client: 1,
            queued: 5,
        };
        assert_eq!(all, expected);
    }

    /// With a limit of zero every healthy connection would be near it.
    #[test]
    fn a_connection_without_errors_is_near_no_limit() {
        let mut all = Standing::default();
        add(&mut all, One::default());
        assert_eq!(all.near_limit, 0);
        add(&mut all, One { errors: 1, ..One::default() });
        assert_eq!(all.near_limit, 1);
    }
}
