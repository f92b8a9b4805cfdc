//! Counts what is refused because a limit was reached, by the setting that sets it.

use std::sync::OnceLock;

use mcpvisor_actors::metrics::Counters;

use super::catalogue::LIMITS_REACHED;

pub(crate) const HTTP_CONNECTIONS: &str = "http.max_tcp_connections";
pub(crate) const HTTP_CONNECTIONS_PER_PEER: &str = "http.max_tcp_connections_per_peer";
/// `http.max_headers` too: the server does not tell them apart.
pub(crate) const HEADERS: &str = "http.max_header_bytes";
pub(crate) const HEADER_TIMEOUT: &str = "http.header_timeout";
pub(crate) const BODY_TIMEOUT: &str = "http.body_timeout";
pub(crate) const BODY: &str = "limits.max_body_bytes";

/// Every limit that is counted; those of [`Overload`](mcpvisor_actors::Overload) by their settings.
pub(crate) const ALL: &[&str] = &[
    HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_PER_PEER,
    HEADERS,
    HEADER_TIMEOUT,
    BODY_TIMEOUT,
    BODY,
    "http.max_requests",
    "http.max_streams",
    "limits.max_queued",
    "limits.max_concurrent_launches",
    "limits.max_connections",
    "limits.max_sessions",
    "limits.max_memory",
    "limits.max_message_bytes",
    "limits.requests_per_second",
    "principal_limits.max_sessions",
    "principal_limits.max_connections",
    "principal_limits.max_launches",
    "principal_limits.max_requests",
    "principal_limits.max_streams",
    "principal_limits.requests_per_second",
    "upstream",
];

/// A limit was reached once more; `setting` is one of [`ALL`].
pub(crate) fn reached(setting: &'static str) {
    counters().add(&[setting], 1);
}

/// Counters that are born at one never show an increase: they begin at zero, once the recorder is there.
pub(crate) fn register() {
    counters();
}

fn counters() -> &'static Counters {
    static COUNTERS: OnceLock<Counters> = OnceLock::new();
    COUNTERS.get_or_init(|| Counters::new(&LIMITS_REACHED, None))
}

#[cfg(test)]
mod tests {
    use mcpvisor_actors::Overload;

    use super::*;

    /// It would be counted nowhere.
    #[test]
    fn every_bound_that_is_refused_by_is_counted() {
        for what in Overload::ALL {
            assert!(ALL.contains(&what.setting()), "{}", what.setting());
        }
    }
}
