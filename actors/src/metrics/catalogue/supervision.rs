//! How backends are doing.

use crate::metrics::sets::{
    ABANDONED, EXIT_KIND, EXIT_REASON, FAULT, LAUNCH_RESULT, PHASE, REPLAY_RESULT, RESTART, SPARE_RESULT,
    SPARE_STATE,
};
use crate::metrics::spec::{BACKEND, MetricSpec, Unit};

/// Seconds of a launch: an installed server takes milliseconds, a download minutes.
const LAUNCH: &[f64] = &[0.05, 0.2, 1.0, 5.0, 30.0, 120.0];
/// Seconds from a death to ready again: the aim is under half a second.
const RECOVERY: &[f64] = &[0.02, 0.05, 0.1, 0.5, 2.0, 10.0, 60.0];
/// Seconds an incarnation lived: to a day.
const LIFETIME: &[f64] = &[10.0, 60.0, 600.0, 3600.0, 86_400.0];

pub(crate) const ALL: &[&MetricSpec] = &[
    &CONNECTIONS,
    &LAUNCHES,
    &LAUNCH_DURATION,
    &RESTARTS,
    &EXITS,
    &MAX_ERROR_STOPS,
    &FATAL_STOPS,
    &RESTARTS_ABANDONED,
    &FAULTS,
    &ERRORS_CURRENT,
    &NEAR_LIMIT,
    &BACKOFF,
    &LAST_RESTART,
    &NEXT_LAUNCH,
    &RECOVERY_DURATION,
    &CONNECTION_LIFETIME,
    &IDLE_EVICTIONS,
    &BREAKER_OPEN,
    &REPLAYS,
    &SPARES,
    &SPARES_USED,
    &SPARES_LOST,
    &PROCESSES,
    &MEMORY,
    &CPU,
    &OPEN_FDS,
];

pub(crate) static CONNECTIONS: MetricSpec =
    MetricSpec::gauge("mcpvisor_connections", "Connections by phase").per_backend(&[BACKEND, PHASE]);
pub(crate) static LAUNCHES: MetricSpec =
    MetricSpec::counter("mcpvisor_launches_total", "Launches that came to an end, by result")
        .per_backend(&[BACKEND, LAUNCH_RESULT]);
pub(crate) static LAUNCH_DURATION: MetricSpec = MetricSpec::histogram(
    "mcpvisor_launch_duration_seconds",
    LAUNCH,
    "From launch ticket, or spare, to the answer to initialize",
)
.per_backend(&[BACKEND]);
pub(crate) static RESTARTS: MetricSpec = MetricSpec::counter(
    "mcpvisor_restarts_total",
    "Relaunches begun after a fault, by hand or by a reload, by reason; a launch after an eviction is none",
)
.per_backend(&[BACKEND, RESTART]);
pub(crate) static EXITS: MetricSpec = MetricSpec::counter(
    "mcpvisor_exits_total",
    "Child processes that ended, as they were ordered to (expected) or not, by themselves (exit) or by a signal",
)
.per_backend(&[BACKEND, EXIT_KIND, EXIT_REASON]);
pub(crate) static MAX_ERROR_STOPS: MetricSpec = MetricSpec::counter(
    "mcpvisor_max_error_stops_total",
    "Connections stopped because their error count passed max_error_count",
)
.per_backend(&[BACKEND]);
pub(crate) static FATAL_STOPS: MetricSpec = MetricSpec::counter(
    "mcpvisor_fatal_stops_total",
    "Connections stopped by a fault that no restart can help",
)
.per_backend(&[BACKEND]);
pub(crate) static RESTARTS_ABANDONED: MetricSpec = MetricSpec::counter(
    "mcpvisor_restarts_abandoned_total",
    "Restarts after a counted fault that never began, by reason",
)
.per_backend(&[BACKEND, ABANDONED]);
pub(crate) static FAULTS: MetricSpec =
    MetricSpec::counter("mcpvisor_faults_total", "Errors counted against the budget, by reason")
        .per_backend(&[BACKEND, FAULT]);
pub(crate) static ERRORS_CURRENT: MetricSpec = MetricSpec::gauge(
    "mcpvisor_errors_current",
    "The highest error count that a connection of the backend has now; compare with mcpvisor_errors_limit",
)
.per_backend(&[BACKEND]);
pub(crate) static NEAR_LIMIT: MetricSpec = MetricSpec::gauge(
    "mcpvisor_connections_near_errors_limit",
    "Connections whose error count has reached 0.8 of max_error_count",
)
.per_backend(&[BACKEND]);
pub(crate) static BACKOFF: MetricSpec = MetricSpec::gauge(
    "mcpvisor_backoff_seconds",
    "The longest wait before a restart that a connection of the backend is in now; 0 = none waits",
)
.in_unit(Unit::Seconds)
.per_backend(&[BACKEND]);
pub(crate) static LAST_RESTART: MetricSpec = MetricSpec::gauge(
    "mcpvisor_last_restart_timestamp_seconds",
    "When the last restart of the backend began, in seconds since 1970; 0 = never",
)
.in_unit(Unit::Timestamp)
.per_backend(&[BACKEND]);
pub(crate) static NEXT_LAUNCH: MetricSpec = MetricSpec::gauge(
    "mcpvisor_next_launch_timestamp_seconds",
    "When the first of the connections that wait for a restart is launched, in seconds since 1970; 0 = none waits",
)
.in_unit(Unit::Timestamp)
.per_backend(&[BACKEND]);
pub(crate) static RECOVERY_DURATION: MetricSpec = MetricSpec::histogram(
    "mcpvisor_recovery_duration_seconds",
    RECOVERY,
    "From the death of an incarnation to ready again",
)
.per_backend(&[BACKEND]);
pub(crate) static CONNECTION_LIFETIME: MetricSpec = MetricSpec::histogram(
    "mcpvisor_connection_lifetime_seconds",
    LIFETIME,
    "From the launch of an incarnation until nothing of it is left, whether it was ever ready or not",
)
.per_backend(&[BACKEND]);
pub(crate) static IDLE_EVICTIONS: MetricSpec =
    MetricSpec::counter("mcpvisor_idle_evictions_total", "Connections closed because nobody used them")
        .per_backend(&[BACKEND]);
pub(crate) static BREAKER_OPEN: MetricSpec = MetricSpec::gauge(
    "mcpvisor_breaker_open",
    "1 while launches of the backend are held back, since too many of its connections failed in a row",
)
.in_unit(Unit::Flag)
.per_backend(&[BACKEND]);
pub(crate) static REPLAYS: MetricSpec = MetricSpec::counter(
    "mcpvisor_replays_total",
    "Handshakes replayed for a session that went on: all of it (ok), without some (partial), or not (failed)",
)
.per_backend(&[BACKEND, REPLAY_RESULT]);
pub(crate) static SPARES: MetricSpec =
    MetricSpec::gauge("mcpvisor_spares", "Processes kept in reserve, by state")
        .per_backend(&[BACKEND, SPARE_STATE]);
pub(crate) static SPARES_USED: MetricSpec = MetricSpec::counter(
    "mcpvisor_spares_used_total",
    "Spares given to a session, by result: ok (answered initialize), died (another was launched)",
)
.per_backend(&[BACKEND, SPARE_RESULT]);
pub(crate) static SPARES_LOST: MetricSpec =
    MetricSpec::counter("mcpvisor_spares_lost_total", "Spares that died before a session got them")
        .per_backend(&[BACKEND]);
pub(crate) static PROCESSES: MetricSpec = MetricSpec::gauge(
    "mcpvisor_backend_processes",
    "Processes of the backend: its servers and what they have started in their process groups",
)
.per_backend(&[BACKEND]);
pub(crate) static MEMORY: MetricSpec = MetricSpec::gauge(
    "mcpvisor_backend_memory_bytes",
    "Resident memory of those; shared pages count in each",
)
.in_unit(Unit::Bytes)
.per_backend(&[BACKEND]);
pub(crate) static CPU: MetricSpec = MetricSpec::counter(
    "mcpvisor_backend_cpu_seconds_total",
    "CPU time of those, user and system, with that of the ones that have ended",
)
.in_unit(Unit::Seconds)
.per_backend(&[BACKEND]);
pub(crate) static OPEN_FDS: MetricSpec =
    MetricSpec::gauge("mcpvisor_backend_open_fds", "Open file descriptors of those").per_backend(&[BACKEND]);
