//! Names, kinds, help and buckets of every metric, in one place.
//!
//! What the tree counts is listed in `mcpvisor_actors::metrics`; this adds what the front counts and what is
//! only known of the whole process.

use mcpvisor_actors::metrics::{CATALOGUE as TREE, MetricKind};

/// Seconds of an operation: from under a millisecond to five minutes.
const OPERATION: &[f64] = &[
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0,
    300.0,
];
/// Seconds of a launch: an installed server takes milliseconds, a download minutes.
const LAUNCH: &[f64] = &[0.05, 0.2, 0.5, 1.0, 5.0, 15.0, 30.0, 120.0];
/// Seconds from a death to ready again: the aim is under half a second.
const RECOVERY: &[f64] = &[0.02, 0.05, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];
/// Seconds something lived: to a day.
const LIFETIME: &[f64] = &[1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 28_800.0, 86_400.0];
/// What has no buckets of its own.
const OTHER: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];

const FRONT: &[(&str, MetricKind, &str)] = &[
    (
        "mcp_server_operation_duration_seconds",
        MetricKind::Histogram,
        "Requests of clients, from their last byte to the answer",
    ),
    ("mcpvisor_http_responses_total", MetricKind::Counter, "HTTP responses by route and status code"),
    ("mcpvisor_sessions", MetricKind::Gauge, "Client sessions"),
    ("mcp_server_session_duration_seconds", MetricKind::Histogram, "How long client sessions lasted"),
    ("mcpvisor_streams_open", MetricKind::Gauge, "Open event streams by kind: get, post"),
    (
        "mcpvisor_stream_overflows_total",
        MetricKind::Counter,
        "Events dropped because a client read too slowly",
    ),
    (
        "mcpvisor_request_errors_total",
        MetricKind::Counter,
        "Requests answered with an error of mcpvisor's own, by kind",
    ),
    (
        "mcpvisor_auth_failures_total",
        MetricKind::Counter,
        "Requests refused for their credentials, by reason",
    ),
];

const PROCESS: &[(&str, MetricKind, &str)] = &[
    ("mcpvisor_build_info", MetricKind::Gauge, "Always 1; the labels say which build runs"),
    ("mcpvisor_connections_limit", MetricKind::Gauge, "limits.max_connections"),
    ("mcpvisor_errors_limit", MetricKind::Gauge, "pool.max_error_count of the backend"),
];

/// Every metric that goes through the recorder.
pub fn all() -> impl Iterator<Item = &'static (&'static str, MetricKind, &'static str)> {
    TREE.iter().chain(FRONT).chain(PROCESS)
}

/// The upper bounds of a histogram's buckets, in seconds.
pub fn buckets(name: &str) -> &'static [f64] {
    match name {
        "mcp_server_operation_duration_seconds" | "mcp_client_operation_duration_seconds" => OPERATION,
        "mcpvisor_launch_duration_seconds" => LAUNCH,
        "mcpvisor_recovery_duration_seconds" => RECOVERY,
        name if name.contains("session_duration") || name.contains("lifetime") => LIFETIME,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_metric_is_named_once_by_the_rules_and_explained() {
        let mut seen = HashSet::new();
        for (name, kind, help) in all() {
            assert!(seen.insert(name), "{name} stands twice");
            assert!(!help.is_empty() && !help.ends_with('.'), "{name}");
            assert_eq!(*kind == MetricKind::Counter, name.ends_with("_total"), "{name}");
            assert!(*kind != MetricKind::Histogram || name.ends_with("_seconds"), "{name}");
        }
    }

    #[test]
    fn buckets_rise_and_only_operations_have_more_than_eight() {
        for (name, kind, _) in all() {
            if *kind == MetricKind::Histogram {
                let bounds = buckets(name);
                assert!(bounds.is_sorted() && (bounds.len() <= 8 || name.contains("operation")), "{name}");
            }
        }
    }
}
