//! What the tree counts. Names are complete here; their help stands in [`CATALOGUE`].

mod method;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, Histogram, counter, gauge, histogram};

use crate::fault::FaultReason;
use crate::metadata::Phase;
pub use method::method_label;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Seconds, in buckets.
    Histogram,
}

/// Name, kind and help of every metric of the tree, for the exporter and the docs.
pub const CATALOGUE: &[(&str, MetricKind, &str)] = &[
    ("mcpvisor_connections", MetricKind::Gauge, "Connections by phase"),
    (
        "mcpvisor_launches_total",
        MetricKind::Counter,
        "Launches by result: ok, spawn_failed, handshake_failed, timeout, cancelled",
    ),
    (
        "mcpvisor_launch_duration_seconds",
        MetricKind::Histogram,
        "From launch ticket, or spare, to the answer to initialize",
    ),
    ("mcpvisor_spares", MetricKind::Gauge, "Processes kept in reserve, by state: starting, warm"),
    (
        "mcpvisor_spares_used_total",
        MetricKind::Counter,
        "Spares given to a session, by result: ok (answered initialize), died (another was launched)",
    ),
    ("mcpvisor_spares_lost_total", MetricKind::Counter, "Spares that died before a session got them"),
    ("mcpvisor_restarts_total", MetricKind::Counter, "Relaunches begun after a fault or by hand, by reason"),
    (
        "mcpvisor_restarts_abandoned_total",
        MetricKind::Counter,
        "Restarts after a counted fault that never began, by reason: never_initialised, drain, delete, evict, superseded",
    ),
    (
        "mcpvisor_breaker_open",
        MetricKind::Gauge,
        "1 while launches of the backend are held back, since too many of its connections failed in a row",
    ),
    (
        "mcpvisor_retries_total",
        MetricKind::Counter,
        "Safe requests sent a second time after a fault, by result: ok (answered by the backend), failed",
    ),
    ("mcpvisor_faults_total", MetricKind::Counter, "Errors counted against the budget, by reason"),
    ("mcpvisor_exits_total", MetricKind::Counter, "Child processes that ended, as ordered (expected) or not"),
    (
        "mcpvisor_max_error_stops_total",
        MetricKind::Counter,
        "Connections stopped because their error count passed max_error_count",
    ),
    (
        "mcpvisor_fatal_stops_total",
        MetricKind::Counter,
        "Connections stopped by a fault that no restart can help",
    ),
    (
        "mcpvisor_recovery_duration_seconds",
        MetricKind::Histogram,
        "From the death of an incarnation to ready again",
    ),
    (
        "mcpvisor_replays_total",
        MetricKind::Counter,
        "Handshakes replayed for a session that went on: all of it (ok), without some (partial), or not (failed)",
    ),
    ("mcpvisor_idle_evictions_total", MetricKind::Counter, "Connections closed because nobody used them"),
    ("mcpvisor_requests_lost_total", MetricKind::Counter, "Requests answered backend_lost"),
    ("mcpvisor_noise_lines_total", MetricKind::Counter, "Lines on standard output that were no JSON-RPC"),
    (
        "mcpvisor_orphans_reaped_total",
        MetricKind::Counter,
        "Processes that outlived their parent, or an earlier start of the service, and were ended",
    ),
    (
        "mcpvisor_guard_restarts_total",
        MetricKind::Counter,
        "Guard processes that died, or could not be started, and were started again",
    ),
    ("mcpvisor_supervisor_restarts_total", MetricKind::Counter, "Actors that failed by a bug, by actor"),
    (
        "mcp_client_operation_duration_seconds",
        MetricKind::Histogram,
        "Requests to backends, as mcpvisor saw them",
    ),
];

/// The counters and gauges of one backend.
#[derive(Clone)]
pub(crate) struct BackendMetrics {
    backend: Arc<str>,
}

impl BackendMetrics {
    pub(crate) fn new(backend: &Arc<str>) -> Self {
        Self { backend: backend.clone() }
    }

    pub(crate) fn phase(&self, phase: Phase) -> PhaseGauge {
        PhaseGauge::new(self.gauge(phase))
    }

    pub(crate) fn launched(&self, result: &'static str, took: Option<Duration>) {
        counter!("mcpvisor_launches_total", "backend" => self.backend.clone(), "result" => result)
            .increment(1);
        if let Some(took) = took {
            histogram!("mcpvisor_launch_duration_seconds", "backend" => self.backend.clone()).record(took);
        }
    }

    pub(crate) fn spares(&self, starting: usize, warm: usize) {
        for (state, count) in [("starting", starting), ("warm", warm)] {
            gauge!("mcpvisor_spares", "backend" => self.backend.clone(), "state" => state).set(count as f64);
        }
    }

    pub(crate) fn spare_used(&self, ok: bool) {
        let result = if ok { "ok" } else { "died" };
        counter!("mcpvisor_spares_used_total", "backend" => self.backend.clone(), "result" => result)
            .increment(1);
    }

    pub(crate) fn spare_lost(&self) {
        counter!("mcpvisor_spares_lost_total", "backend" => self.backend.clone()).increment(1);
    }

    pub(crate) fn restarted(&self, reason: &'static str) {
        counter!("mcpvisor_restarts_total", "backend" => self.backend.clone(), "reason" => reason)
            .increment(1);
    }

    pub(crate) fn abandoned(&self, reason: &'static str) {
        counter!("mcpvisor_restarts_abandoned_total", "backend" => self.backend.clone(), "reason" => reason)
            .increment(1);
    }

    pub(crate) fn breaker(&self, open: bool) {
        gauge!("mcpvisor_breaker_open", "backend" => self.backend.clone()).set(if open { 1.0 } else { 0.0 });
    }

    pub(crate) fn retried(&self, ok: bool) {
        let result = if ok { "ok" } else { "failed" };
        counter!("mcpvisor_retries_total", "backend" => self.backend.clone(), "result" => result)
            .increment(1);
    }

    pub(crate) fn fault(&self, reason: FaultReason) {
        counter!("mcpvisor_faults_total", "backend" => self.backend.clone(), "reason" => reason.as_str())
            .increment(1);
    }

    pub(crate) fn exited(&self, kind: &'static str) {
        counter!("mcpvisor_exits_total", "backend" => self.backend.clone(), "kind" => kind).increment(1);
    }

    pub(crate) fn stopped(&self, fatal: bool) {
        let name = if fatal { "mcpvisor_fatal_stops_total" } else { "mcpvisor_max_error_stops_total" };
        counter!(name, "backend" => self.backend.clone()).increment(1);
    }

    pub(crate) fn recovered(&self, took: Duration) {
        histogram!("mcpvisor_recovery_duration_seconds", "backend" => self.backend.clone()).record(took);
    }

    pub(crate) fn replayed(&self, result: &'static str) {
        counter!("mcpvisor_replays_total", "backend" => self.backend.clone(), "result" => result)
            .increment(1);
    }

    pub(crate) fn evicted(&self) {
        counter!("mcpvisor_idle_evictions_total", "backend" => self.backend.clone()).increment(1);
    }

    pub(crate) fn lost(&self, requests: usize) {
        counter!("mcpvisor_requests_lost_total", "backend" => self.backend.clone())
            .increment(requests as u64);
    }

    pub(crate) fn noise(&self) {
        counter!("mcpvisor_noise_lines_total", "backend" => self.backend.clone()).increment(1);
    }

    fn gauge(&self, phase: Phase) -> Gauge {
        gauge!("mcpvisor_connections", "backend" => self.backend.clone(), "phase" => phase.as_str())
    }
}

/// Counts one connection in its phase; leaves it when dropped, however its actor ended.
pub(crate) struct PhaseGauge(Gauge);

impl PhaseGauge {
    fn new(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for PhaseGauge {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Creates the series of a backend at zero: a counter that is born at one never trips `increase()`.
pub(crate) fn start_at_zero(backend: &Arc<str>) {
    let metrics = BackendMetrics::new(backend);
    for phase in Phase::ALL {
        metrics.gauge(phase).increment(0.0);
    }
    for result in ["ok", "spawn_failed", "handshake_failed", "timeout", "cancelled"] {
        counter!("mcpvisor_launches_total", "backend" => backend.clone(), "result" => result).absolute(0);
    }
    for reason in FaultReason::ALL.map(FaultReason::as_str).into_iter().chain(["manual", "reload"]) {
        counter!("mcpvisor_restarts_total", "backend" => backend.clone(), "reason" => reason).absolute(0);
    }
    for reason in FaultReason::ALL {
        counter!("mcpvisor_faults_total", "backend" => backend.clone(), "reason" => reason.as_str())
            .absolute(0);
    }
    for reason in ["never_initialised", "drain", "delete", "evict", "superseded"] {
        counter!("mcpvisor_restarts_abandoned_total", "backend" => backend.clone(), "reason" => reason)
            .absolute(0);
    }
    for result in ["ok", "failed"] {
        counter!("mcpvisor_retries_total", "backend" => backend.clone(), "result" => result).absolute(0);
    }
    metrics.breaker(false);
    for result in ["ok", "partial", "failed"] {
        counter!("mcpvisor_replays_total", "backend" => backend.clone(), "result" => result).absolute(0);
    }
    metrics.spares(0, 0);
    for result in ["ok", "died"] {
        counter!("mcpvisor_spares_used_total", "backend" => backend.clone(), "result" => result).absolute(0);
    }
    for kind in ["expected", "unexpected"] {
        counter!("mcpvisor_exits_total", "backend" => backend.clone(), "kind" => kind).absolute(0);
    }
    for name in [
        "mcpvisor_max_error_stops_total",
        "mcpvisor_fatal_stops_total",
        "mcpvisor_idle_evictions_total",
        "mcpvisor_requests_lost_total",
        "mcpvisor_noise_lines_total",
        "mcpvisor_spares_lost_total",
    ] {
        counter!(name, "backend" => backend.clone()).absolute(0);
    }
    counter!("mcpvisor_orphans_reaped_total").absolute(0);
}

/// Backend, method, error.
type OperationLabels = (Arc<str>, &'static str, &'static str);

thread_local! {
    /// Looking a histogram up by its labels costs as much as the rest of the way of a small request.
    static OPERATIONS: RefCell<HashMap<OperationLabels, Histogram>> = RefCell::default();
}

/// Records one request to a backend. `error`: empty when it was answered with a result.
pub(crate) fn operation(
    backend: &Arc<str>,
    method: &'static str,
    error: &'static str,
    transport: &'static str,
    took: Duration,
) {
    OPERATIONS.with_borrow_mut(|known| {
        let key = (backend.clone(), method, error);
        let histogram = known.entry(key).or_insert_with(|| {
            histogram!("mcp_client_operation_duration_seconds",
                "backend" => backend.clone(), "mcp_method_name" => method, "error_type" => error,
                "network_transport" => transport)
        });
        histogram.record(took);
    });
}
