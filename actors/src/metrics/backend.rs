//! The series of one backend, found once and kept: looking one up by its labels costs more than using it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::{Counter, Gauge, Histogram};

use super::catalogue::{requests, supervision};
use super::series::{Counters, Gauges, histogram_of};
use super::spec::MetricSpec;
use super::tools::ToolNames;
use crate::fault::FaultReason;
use crate::metadata::Phase;
use crate::process::ExitStatus;

/// Everything that is counted of one backend. Cheap to clone; making one registers every series of the backend.
#[derive(Clone)]
pub(crate) struct BackendMetrics(Arc<Handles>);

struct Handles {
    connections: Gauges,
    launches: Counters,
    launch_duration: Histogram,
    restarts: Counters,
    last_restart: Gauge,
    abandoned: Counters,
    exits: Counters,
    max_error_stops: Counter,
    fatal_stops: Counter,
    faults: Counters,
    recovery: Histogram,
    lifetime: Histogram,
    evictions: Counter,
    breaker: Gauge,
    replays: Counters,
    spares: Gauges,
    spares_used: Counters,
    spares_lost: Counter,
    standing: StandingGauges,
    client_session: Histogram,
    queue_wait: Histogram,
    to_backend: Counter,
    to_client: Counter,
    noise: Counter,
    tools: Arc<ToolNames>,
}

struct StandingGauges {
    errors: Gauge,
    near_limit: Gauge,
    backoff: Gauge,
    next_launch: Gauge,
    to_backend: Gauge,
    to_client: Gauge,
    queued: Gauge,
}

/// How all connections of a backend stand at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Standing {
    /// The highest error count.
    pub(crate) errors: u32,
    /// Connections near the limit of that.
    pub(crate) near_limit: usize,
    /// The longest wait before a restart.
    pub(crate) backoff: Duration,
    /// How long until the first of them begins.
    pub(crate) next_launch: Option<Duration>,
    /// Requests of clients that the backend has.
    pub(crate) to_backend: usize,
    /// Requests of the backend that clients have.
    pub(crate) to_client: usize,
    /// Requests of clients that wait.
    pub(crate) queued: usize,
}

impl BackendMetrics {
    pub(crate) fn new(backend: &Arc<str>) -> Self {
        let counters = |spec: &MetricSpec| Counters::new(spec, Some(backend));
        let counter = |spec: &MetricSpec| counters(spec).get(&[]);
        let gauges = |spec: &MetricSpec| Gauges::new(spec, Some(backend));
        let gauge = |spec: &MetricSpec| gauges(spec).get(&[]);
        let histogram = |spec: &MetricSpec| histogram_of(spec, Some(backend));
        let in_flight = gauges(&requests::IN_FLIGHT);
        let bytes = counters(&requests::BYTES);
        // Counted by `retried` and `lost`, which have no handles at hand.
        counters(&requests::RETRIES);
        counters(&requests::LOST);
        Self(Arc::new(Handles {
            connections: gauges(&supervision::CONNECTIONS),
            launches: counters(&supervision::LAUNCHES),
            launch_duration: histogram(&supervision::LAUNCH_DURATION),
            restarts: counters(&supervision::RESTARTS),
            last_restart: gauge(&supervision::LAST_RESTART),
            abandoned: counters(&supervision::RESTARTS_ABANDONED),
            exits: counters(&supervision::EXITS),
            max_error_stops: counter(&supervision::MAX_ERROR_STOPS),
            fatal_stops: counter(&supervision::FATAL_STOPS),
            faults: counters(&supervision::FAULTS),
            recovery: histogram(&supervision::RECOVERY_DURATION),
            lifetime: histogram(&supervision::CONNECTION_LIFETIME),
            evictions: counter(&supervision::IDLE_EVICTIONS),
            breaker: gauge(&supervision::BREAKER_OPEN),
            replays: counters(&supervision::REPLAYS),
            spares: gauges(&supervision::SPARES),
            spares_used: counters(&supervision::SPARES_USED),
            spares_lost: counter(&supervision::SPARES_LOST),
            standing: StandingGauges {
                errors: gauge(&supervision::ERRORS_CURRENT),
                near_limit: gauge(&supervision::NEAR_LIMIT),
                backoff: gauge(&supervision::BACKOFF),
                next_launch: gauge(&supervision::NEXT_LAUNCH),
                to_backend: in_flight.get(&["to_backend"]),
                to_client: in_flight.get(&["to_client"]),
                queued: gauge(&requests::QUEUED),
            },
            client_session: histogram(&requests::CLIENT_SESSION),
            queue_wait: histogram(&requests::QUEUE_WAIT),
            to_backend: bytes.get(&["to_backend"]),
            to_client: bytes.get(&["to_client"]),
            noise: counter(&requests::NOISE),
            tools: Arc::default(),
        }))
    }

    pub(crate) fn phase(&self, phase: Phase) -> PhaseGauge {
        PhaseGauge::new(self.0.connections.get(&[phase.as_str()]))
    }

    pub(crate) fn launched(&self, result: &'static str, took: Option<Duration>) {
        self.0.launches.add(&[result], 1);
        if let Some(took) = took {
            self.0.launch_duration.record(took);
        }
    }

    pub(crate) fn spares(&self, starting: usize, warm: usize) {
        self.0.spares.set(&["starting"], starting as f64);
        self.0.spares.set(&["warm"], warm as f64);
    }

    pub(crate) fn spare_used(&self, ok: bool) {
        self.0.spares_used.add(&[if ok { "ok" } else { "died" }], 1);
    }

    pub(crate) fn spare_lost(&self) {
        self.0.spares_lost.increment(1);
    }

    pub(crate) fn restarted(&self, reason: &'static str) {
        self.0.restarts.add(&[reason], 1);
        self.0.last_restart.set(unix_time());
    }

    pub(crate) fn abandoned(&self, reason: &'static str) {
        self.0.abandoned.add(&[reason], 1);
    }

    pub(crate) fn breaker(&self, open: bool) {
        self.0.breaker.set(f64::from(u8::from(open)));
    }

    pub(crate) fn fault(&self, reason: FaultReason) {
        self.0.faults.add(&[reason.as_str()], 1);
    }

    pub(crate) fn exited(&self, kind: &'static str, status: ExitStatus) {
        let reason = if matches!(status, ExitStatus::Signal(_)) { "signal" } else { "exit" };
        self.0.exits.add(&[kind, reason], 1);
    }

    pub(crate) fn stopped(&self, fatal: bool) {
        if fatal { &self.0.fatal_stops } else { &self.0.max_error_stops }.increment(1);
    }

    pub(crate) fn recovered(&self, took: Duration) {
        self.0.recovery.record(took);
    }

    /// Nothing of an incarnation is left, so long after its launch began.
    pub(crate) fn lived(&self, lifetime: Duration) {
        self.0.lifetime.record(lifetime);
    }

    /// A session with the backend is over.
    pub(crate) fn session_lasted(&self, duration: Duration) {
        self.0.client_session.record(duration);
    }

    pub(crate) fn replayed(&self, result: &'static str) {
        self.0.replays.add(&[result], 1);
    }

    pub(crate) fn evicted(&self) {
        self.0.evictions.increment(1);
    }

    pub(crate) fn noise(&self) {
        self.0.noise.increment(1);
    }

    /// A request is sent that has waited.
    pub(crate) fn waited(&self, time: Duration) {
        self.0.queue_wait.record(time);
    }

    /// A message on its way to the backend.
    pub(crate) fn said(&self, bytes: usize) {
        self.0.to_backend.increment(bytes as u64);
    }

    /// A message of the backend.
    pub(crate) fn heard(&self, bytes: usize) {
        self.0.to_client.increment(bytes as u64);
    }

    /// Its tools, as far as their names may be labels.
    pub(crate) fn tools(&self) -> Arc<ToolNames> {
        self.0.tools.clone()
    }

    /// Shows how its connections stand.
    pub(crate) fn stand(&self, standing: &Standing) {
        let gauges = &self.0.standing;
        gauges.errors.set(f64::from(standing.errors));
        gauges.near_limit.set(standing.near_limit as f64);
        gauges.backoff.set(standing.backoff.as_secs_f64());
        gauges.next_launch.set(standing.next_launch.map_or(0.0, |wait| unix_time() + wait.as_secs_f64()));
        gauges.to_backend.set(standing.to_backend as f64);
        gauges.to_client.set(standing.to_client as f64);
        gauges.queued.set(standing.queued as f64);
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

/// Counts a retry where no handles are at hand; retries are rare.
pub(crate) fn retried(backend: &Arc<str>, ok: bool) {
    Counters::new(&requests::RETRIES, Some(backend)).add(&[if ok { "ok" } else { "failed" }], 1);
}

/// Counts a request that was answered `backend_lost`; those are rare too.
pub(crate) fn lost(backend: &Arc<str>) {
    Counters::new(&requests::LOST, Some(backend)).add(&[], 1);
}

/// Seconds since 1970.
fn unix_time() -> f64 {
    #[expect(clippy::disallowed_methods, reason = "shown to people; nothing is decided by it")]
    let now = SystemTime::now();
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
