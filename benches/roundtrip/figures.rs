//! Numbers of one measurement, and what is made of several.

use std::time::Duration;

use serde::Serialize;

use crate::common::spread::{median, micros, quantile};

/// One scenario, one contestant, one round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// Microseconds.
    pub(crate) p50: f64,
    /// Microseconds.
    pub(crate) p90: f64,
    /// Microseconds.
    pub(crate) p99: f64,
    /// Microseconds.
    pub(crate) p999: f64,
    /// Answers per second.
    pub(crate) per_second: f64,
    /// Processor time of the server per call in microseconds, user and system, its children not included.
    pub(crate) cpu: Option<f64>,
    /// How busy the client's only thread was, 0 to 1: near 1 it is the client that is measured.
    pub(crate) client: Option<f64>,
    /// Calls measured.
    pub(crate) calls: usize,
}

impl Figures {
    /// Of calls that took `latencies`, within `measured`. `cpu`, `client`: what the server and the client spent on them.
    pub(crate) fn of(
        mut latencies: Vec<Duration>,
        measured: Duration,
        cpu: Option<Duration>,
        client: Option<Duration>,
    ) -> Self {
        latencies.sort_unstable();
        let calls = latencies.len();
        let at = |share| micros(quantile(&latencies, share));
        Self {
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
            p999: at(0.999),
            per_second: calls as f64 / measured.as_secs_f64(),
            cpu: cpu.filter(|_| calls > 0).map(|cpu| micros(cpu) / calls as f64),
            client: client.map(|client| client.as_secs_f64() / measured.as_secs_f64()),
            calls,
        }
    }

    /// Of each figure.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure));
        let if_any = |figure: fn(&Self) -> Option<f64>| {
            let known: Vec<f64> = rounds.iter().filter_map(figure).collect();
            (!known.is_empty()).then(|| median(known))
        };
        Self {
            p50: of(|round| round.p50),
            p90: of(|round| round.p90),
            p99: of(|round| round.p99),
            p999: of(|round| round.p999),
            per_second: of(|round| round.per_second),
            cpu: if_any(|round| round.cpu),
            client: if_any(|round| round.client),
            calls: rounds.iter().map(|round| round.calls).sum(),
        }
    }
}
