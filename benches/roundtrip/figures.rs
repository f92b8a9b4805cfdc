//! Numbers of one measurement, and what is made of several.

use std::time::Duration;

use serde::Serialize;

/// One scenario, one contestant, one round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// Microseconds.
    pub(crate) p50: f64,
    /// Microseconds.
    pub(crate) p90: f64,
    /// Microseconds.
    pub(crate) p99: f64,
    /// Answers per second.
    pub(crate) per_second: f64,
    /// Processor time of the server per call in microseconds, user and system, its children not included.
    pub(crate) cpu: Option<f64>,
    /// Calls measured.
    pub(crate) calls: usize,
}

impl Figures {
    /// Of calls that took `latencies`, within `measured`. `cpu`: what the server spent on them.
    pub(crate) fn of(mut latencies: Vec<Duration>, measured: Duration, cpu: Option<Duration>) -> Self {
        latencies.sort_unstable();
        let calls = latencies.len();
        Self {
            p50: micros(quantile(&latencies, 0.50)),
            p90: micros(quantile(&latencies, 0.90)),
            p99: micros(quantile(&latencies, 0.99)),
            per_second: calls as f64 / measured.as_secs_f64(),
            cpu: cpu.filter(|_| calls > 0).map(|cpu| micros(cpu) / calls as f64),
            calls,
        }
    }
}

/// The smallest value that a share of `quantile` of all does not exceed; zero of nothing.
pub(crate) fn quantile(sorted: &[Duration], quantile: f64) -> Duration {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Zero of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}
