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

/// Every limit that is counted.
pub(crate) const ALL: &[&str] =
    &[HTTP_CONNECTIONS, HTTP_CONNECTIONS_PER_PEER, HEADERS, HEADER_TIMEOUT, BODY_TIMEOUT, BODY];

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
