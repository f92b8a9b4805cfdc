//! Numbers of one measurement, and what is made of several.

use std::time::Duration;

use serde::Serialize;

use crate::common::spread::{micros, quantile};

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
