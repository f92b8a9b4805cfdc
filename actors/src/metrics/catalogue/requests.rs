//! What passes between mcpvisor and its backends.

use crate::metrics::sets::{DIRECTION, ERROR_TYPE, METHOD, RETRY_RESULT, TOOL, TRANSPORT, VERSION};
use crate::metrics::spec::{BACKEND, MetricSpec, Unit};

/// Seconds of an operation: from under a millisecond to five minutes.
pub const OPERATION: &[f64] = &[
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0,
    300.0,
];
/// Seconds of a session: to a day.
pub const SESSION: &[f64] = &[1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 28_800.0, 86_400.0];
/// Seconds in a queue.
const QUEUE: &[f64] = &[0.01, 0.1, 1.0, 10.0, 60.0];

pub(crate) const ALL: &[&MetricSpec] =
    &[&CLIENT_OPERATION, &CLIENT_SESSION, &IN_FLIGHT, &QUEUED, &QUEUE_WAIT, &LOST, &RETRIES, &BYTES, &NOISE];

pub(crate) static CLIENT_OPERATION: MetricSpec = MetricSpec::histogram(
    "mcp_client_operation_duration_seconds",
    OPERATION,
    "Requests to backends, from sending to the answer; what the server's duration has besides is our overhead",
)
.by(&[BACKEND, METHOD, ERROR_TYPE, TRANSPORT, VERSION, TOOL])
.as_seen();
pub(crate) static CLIENT_SESSION: MetricSpec = MetricSpec::histogram(
    "mcp_client_session_duration_seconds",
    SESSION,
    "How long sessions with backends lasted, from the answer to initialize to their end",
)
.per_backend(&[BACKEND]);
pub(crate) static IN_FLIGHT: MetricSpec = MetricSpec::gauge(
    "mcpvisor_requests_in_flight",
    "Requests that the other side has: of clients at the backend, of the backend at clients",
)
.per_backend(&[BACKEND, DIRECTION]);
pub(crate) static QUEUED: MetricSpec = MetricSpec::gauge(
    "mcpvisor_requests_queued",
    "Requests of clients that wait: for a ready connection, or for one in flight to end",
)
.per_backend(&[BACKEND]);
pub(crate) static QUEUE_WAIT: MetricSpec = MetricSpec::histogram(
    "mcpvisor_queue_wait_seconds",
    QUEUE,
    "How long requests that could not be sent at once waited until they were",
)
.per_backend(&[BACKEND]);
pub(crate) static LOST: MetricSpec =
    MetricSpec::counter("mcpvisor_requests_lost_total", "Requests answered backend_lost")
        .per_backend(&[BACKEND]);
pub(crate) static RETRIES: MetricSpec = MetricSpec::counter(
    "mcpvisor_retries_total",
    "Safe requests sent a second time after a fault, by result: ok (answered by the backend), failed",
)
.per_backend(&[BACKEND, RETRY_RESULT]);
pub(crate) static BYTES: MetricSpec = MetricSpec::counter(
    "mcpvisor_bytes_total",
    "Bytes of messages passed to the backend, and of those that it sent; without framing and HTTP",
)
.in_unit(Unit::Bytes)
.per_backend(&[BACKEND, DIRECTION]);
pub(crate) static NOISE: MetricSpec =
    MetricSpec::counter("mcpvisor_noise_lines_total", "Lines on standard output that were no JSON-RPC")
        .per_backend(&[BACKEND]);
