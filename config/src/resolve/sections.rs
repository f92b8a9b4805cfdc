//! One function per section of `default.toml`.

use crate::read::Reader;
use crate::{
    Backoff, Gateway, Http, Limits, ListenerTls, LogFormat, Pool, PrincipalLimits, Rate, Session, Telemetry,
    Timeouts,
};

pub(super) fn gateway(reader: &Reader<'_>) -> Gateway {
    Gateway {
        listen: reader.text("listen"),
        tls: listener_tls(&reader.table("tls")),
        admin_tls: listener_tls(&reader.table("admin_tls")),
        admin_listen: reader.text("admin_listen"),
        public_url: reader.text("public_url").trim_end_matches('/').to_owned(),
        drain_timeout: reader.duration("drain_timeout"),
        unified: reader.flag("unified"),
        state_dir: Some(reader.text("state_dir")).filter(|path| !path.is_empty()).map(Into::into),
        workers: reader.count("workers"),
        busy_poll: reader.duration("busy_poll"),
        reload_on_change: reader.flag("reload_on_change"),
    }
}

/// There is TLS once there is a certificate.
fn listener_tls(reader: &Reader<'_>) -> Option<ListenerTls> {
    let path = |key: &str| Some(reader.text(key)).filter(|path| !path.is_empty());
    let (cert, key, client_ca) = (path("cert"), path("key"), path("client_ca").map(Into::into));
    let missing = match (&cert, &key) {
        (None, None) if client_ca.is_some() => "cert",
        (Some(_), None) => "key",
        (None, Some(_)) => "cert",
        _ => return Some(ListenerTls { cert: cert?.into(), key: key?.into(), client_ca }),
    };
    reader.fault(
        missing,
        "missing",
        "give both cert and key, the paths of PEM files; without both there is no TLS",
    );
    None
}

pub(super) fn pool(reader: &Reader<'_>) -> Pool {
    Pool {
        idle_timeout: reader.duration("idle_timeout"),
        cleanup_interval: reader.duration("cleanup_interval"),
        max_error_count: reader.count_u32("max_error_count"),
        reset_after: reader.duration("reset_after"),
        cooldown: reader.duration("cooldown"),
        cooldown_max: reader.duration("cooldown_max"),
    }
}

pub(super) fn session(reader: &Reader<'_>) -> Session {
    Session {
        ttl: reader.duration("ttl"),
        header: reader.text("header"),
        state_key: reader.text("state_key"),
        parked_ttl: reader.duration("parked_ttl"),
    }
}

pub(super) fn backoff(reader: &Reader<'_>) -> Backoff {
    Backoff { min: reader.duration("min"), max: reader.duration("max"), jitter: reader.share("jitter") }
}

pub(super) fn timeouts(reader: &Reader<'_>) -> Timeouts {
    Timeouts {
        launch: reader.duration("launch"),
        request: reader.duration("request"),
        request_max: reader.duration("request_max"),
        heartbeat: reader.duration("heartbeat"),
        missed_pings: reader.count_u32("missed_pings"),
        stdin_grace: reader.duration("stdin_grace"),
        term_grace: reader.duration("term_grace"),
        write: reader.duration("write"),
        probe: reader.duration("probe"),
        sse_keepalive: reader.duration("sse_keepalive"),
    }
}

pub(super) fn limits(reader: &Reader<'_>) -> Limits {
    Limits {
        max_sessions: reader.count("max_sessions"),
        max_connections: reader.count("max_connections"),
        max_in_flight: reader.count("max_in_flight"),
        max_in_flight_total: reader.count("max_in_flight_total"),
        max_queued: reader.count("max_queued"),
        max_concurrent_launches: reader.count("max_concurrent_launches"),
        breaker_threshold: reader.count_u32("breaker_threshold"),
        max_message_bytes: reader.size("max_message_bytes"),
        max_body_bytes: reader.size("max_body_bytes"),
        replay_events: reader.count("replay_events"),
        replay_bytes: reader.size("replay_bytes"),
        max_memory: reader.size("max_memory"),
        rate: rate(reader),
    }
}

pub(super) fn principal_limits(reader: &Reader<'_>) -> PrincipalLimits {
    PrincipalLimits {
        max_sessions: reader.count("max_sessions"),
        max_connections: reader.count("max_connections"),
        max_launches: reader.count("max_launches"),
        max_requests: reader.count("max_requests"),
        max_streams: reader.count("max_streams"),
        rate: rate(reader),
    }
}

pub(super) fn http(reader: &Reader<'_>) -> Http {
    Http {
        max_tcp_connections: reader.count("max_tcp_connections"),
        max_tcp_connections_per_peer: reader.count("max_tcp_connections_per_peer"),
        max_headers: reader.count("max_headers"),
        max_header_bytes: reader.size("max_header_bytes"),
        header_timeout: reader.duration("header_timeout"),
        body_timeout: reader.duration("body_timeout"),
        keep_alive: reader.duration("keep_alive"),
        max_requests: reader.count("max_requests"),
        max_streams: reader.count("max_streams"),
    }
}

fn rate(reader: &Reader<'_>) -> Rate {
    Rate { requests_per_second: reader.count_u32("requests_per_second"), burst: reader.count_u32("burst") }
}

pub(super) fn telemetry(reader: &Reader<'_>) -> Telemetry {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    Telemetry {
        log_format: reader.choice("log_format", &formats).unwrap_or(LogFormat::Text),
        log_level: reader.text("log_level"),
        otlp_endpoint: reader.text("otlp_endpoint"),
        tool_labels: reader.flag("tool_labels"),
        expose_stderr: reader.flag("expose_stderr"),
    }
}
