//! What the front counts.

use mcpvisor_actors::metrics::{
    BACKEND, ERROR_TYPE, KINDS, Label, METHOD, MetricSpec, OPERATION_BUCKETS, SESSION_BUCKETS, TOOL,
    TRANSPORT, VERSION, Values,
};

const ROUTE: Label = Label::of(
    "route",
    &[
        "mcp",
        "mcp_unified",
        "mcp_group",
        "sse",
        "sse_message",
        "health",
        "livez",
        "readyz",
        "close",
        "resource_metadata",
        "other",
    ],
);
const CODE: Label = Label { name: "code", values: Values::Bounded("HTTP status codes") };
const LIMIT: Label = Label::of("limit", crate::telemetry::limits::ALL);
const STREAM: Label = Label::of("kind", &["get", "post", "listen"]);
const KIND: Label = Label::of("kind", KINDS);
const AUTH: Label = Label::of(
    "reason",
    &[
        "missing",
        "invalid",
        "expired",
        "audience",
        "scope",
        "unavailable",
        "foreign_session",
        "foreign_state",
    ],
);

pub(super) const ALL: &[&MetricSpec] = &[
    &SERVER_OPERATION,
    &SERVER_SESSION,
    &SESSIONS,
    &REQUEST_ERRORS,
    &STREAMS_OPEN,
    &STREAM_OVERFLOWS,
    &HTTP_RESPONSES,
    &AUTH_FAILURES,
    &LIMITS_REACHED,
];

pub(crate) static SERVER_OPERATION: MetricSpec = MetricSpec::histogram(
    "mcp_server_operation_duration_seconds",
    OPERATION_BUCKETS,
    "Requests of clients, from their last byte to the answer",
)
.by(&[BACKEND, METHOD, ERROR_TYPE, TRANSPORT, VERSION, TOOL])
.as_seen();
pub(crate) static SERVER_SESSION: MetricSpec = MetricSpec::histogram(
    "mcp_server_session_duration_seconds",
    SESSION_BUCKETS,
    "How long client sessions lasted",
)
.per_backend(&[BACKEND]);
pub(crate) static SESSIONS: MetricSpec =
    MetricSpec::gauge("mcpvisor_sessions", "Client sessions").per_backend(&[BACKEND]);
pub(crate) static REQUEST_ERRORS: MetricSpec = MetricSpec::counter(
    "mcpvisor_request_errors_total",
    "Requests answered with an error of mcpvisor's own, by kind",
)
.per_backend(&[BACKEND, KIND]);
pub(crate) static STREAMS_OPEN: MetricSpec =
    MetricSpec::gauge("mcpvisor_streams_open", "Open event streams by kind").per_backend(&[BACKEND, STREAM]);
pub(crate) static STREAM_OVERFLOWS: MetricSpec =
    MetricSpec::counter("mcpvisor_stream_overflows_total", "Events dropped because a client read too slowly")
        .per_backend(&[BACKEND]);
pub(crate) static HTTP_RESPONSES: MetricSpec = MetricSpec::counter(
    "mcpvisor_http_responses_total",
    "HTTP responses of the main listener by route and status code",
)
.by(&[ROUTE, CODE])
.as_seen();
pub(crate) static AUTH_FAILURES: MetricSpec =
    MetricSpec::counter("mcpvisor_auth_failures_total", "Requests refused for their credentials, by reason")
        .by(&[AUTH]);
pub(crate) static LIMITS_REACHED: MetricSpec = MetricSpec::counter(
    "mcpvisor_limits_reached_total",
    "Connections, requests and streams refused or given up because of a limit, by the setting that sets it",
)
.by(&[LIMIT]);
