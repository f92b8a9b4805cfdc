//! One table per section.

use std::path::PathBuf;

use toml_edit::{Array, InlineTable, Table};

use super::{access, list, number, put};
use crate::secret::{REDACTED, Secrets};
use crate::units::{write_duration, write_size};
use crate::{
    AuthKey, Backoff, Config, Http, Limits, ListenerTls, LogFormat, Pool, PrincipalLimits, Rate, Timeouts,
};

pub(super) fn gateway(config: &Config) -> Table {
    let gateway = &config.gateway;
    let state_dir = gateway.state_dir.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let mut table = Table::new();
    put(&mut table, "listen", &gateway.listen);
    put(&mut table, "admin_listen", &gateway.admin_listen);
    put(&mut table, "public_url", config.secrets.redact_url(&gateway.public_url));
    put(&mut table, "drain_timeout", write_duration(gateway.drain_timeout));
    put(&mut table, "unified", gateway.unified);
    put(&mut table, "state_dir", config.secrets.redact(&state_dir));
    put(&mut table, "workers", number(gateway.workers));
    put(&mut table, "busy_poll", write_duration(gateway.busy_poll));
    put(&mut table, "reload_on_change", gateway.reload_on_change);
    for (key, tls) in [("tls", &gateway.tls), ("admin_tls", &gateway.admin_tls)] {
        put(&mut table, key, listener_tls(tls.as_ref(), &config.secrets));
    }
    table
}

fn listener_tls(tls: Option<&ListenerTls>, secrets: &Secrets) -> InlineTable {
    let shown = |path: Option<&PathBuf>| {
        path.map(|path| secrets.redact(&path.display().to_string())).unwrap_or_default()
    };
    InlineTable::from_iter([
        ("cert", shown(tls.map(|tls| &tls.cert))),
        ("key", shown(tls.map(|tls| &tls.key))),
        ("client_ca", shown(tls.and_then(|tls| tls.client_ca.as_ref()))),
    ])
}

pub(crate) fn pool(pool: &Pool) -> Table {
    let mut table = Table::new();
    put(&mut table, "idle_timeout", write_duration(pool.idle_timeout));
    put(&mut table, "cleanup_interval", write_duration(pool.cleanup_interval));
    put(&mut table, "max_error_count", i64::from(pool.max_error_count));
    put(&mut table, "reset_after", write_duration(pool.reset_after));
    put(&mut table, "cooldown", write_duration(pool.cooldown));
    put(&mut table, "cooldown_max", write_duration(pool.cooldown_max));
    table
}

pub(super) fn session(config: &Config) -> Table {
    let session = &config.session;
    let mut table = Table::new();
    put(&mut table, "ttl", write_duration(session.ttl));
    put(&mut table, "header", &session.header);
    put(&mut table, "state_key", if session.state_key.is_empty() { "" } else { REDACTED });
    put(&mut table, "parked_ttl", write_duration(session.parked_ttl));
    table
}

pub(crate) fn backoff(backoff: &Backoff) -> Table {
    let mut table = Table::new();
    put(&mut table, "min", write_duration(backoff.min));
    put(&mut table, "max", write_duration(backoff.max));
    put(&mut table, "jitter", backoff.jitter);
    table
}

pub(crate) fn timeouts(timeouts: &Timeouts) -> Table {
    let mut table = Table::new();
    put(&mut table, "launch", write_duration(timeouts.launch));
    put(&mut table, "request", write_duration(timeouts.request));
    put(&mut table, "request_max", write_duration(timeouts.request_max));
    put(&mut table, "heartbeat", write_duration(timeouts.heartbeat));
    put(&mut table, "missed_pings", i64::from(timeouts.missed_pings));
    put(&mut table, "stdin_grace", write_duration(timeouts.stdin_grace));
    put(&mut table, "term_grace", write_duration(timeouts.term_grace));
    put(&mut table, "write", write_duration(timeouts.write));
    put(&mut table, "probe", write_duration(timeouts.probe));
    put(&mut table, "sse_keepalive", write_duration(timeouts.sse_keepalive));
    table
}

pub(crate) fn limits(limits: &Limits) -> Table {
    let mut table = Table::new();
    put(&mut table, "max_sessions", number(limits.max_sessions));
    put(&mut table, "max_connections", number(limits.max_connections));
    put(&mut table, "max_in_flight", number(limits.max_in_flight));
    put(&mut table, "max_in_flight_total", number(limits.max_in_flight_total));
    put(&mut table, "max_queued", number(limits.max_queued));
    put(&mut table, "max_concurrent_launches", number(limits.max_concurrent_launches));
    put(&mut table, "breaker_threshold", i64::from(limits.breaker_threshold));
    put(&mut table, "max_message_bytes", write_size(limits.max_message_bytes));
    put(&mut table, "max_body_bytes", write_size(limits.max_body_bytes));
    put(&mut table, "replay_events", number(limits.replay_events));
    put(&mut table, "replay_bytes", write_size(limits.replay_bytes));
    put(&mut table, "max_memory", write_size(limits.max_memory));
    rate(&mut table, limits.rate);
    table
}

pub(crate) fn principal_limits(limits: &PrincipalLimits) -> Table {
    let mut table = Table::new();
    put(&mut table, "max_sessions", number(limits.max_sessions));
    put(&mut table, "max_connections", number(limits.max_connections));
    put(&mut table, "max_launches", number(limits.max_launches));
    put(&mut table, "max_requests", number(limits.max_requests));
    put(&mut table, "max_streams", number(limits.max_streams));
    rate(&mut table, limits.rate);
    table
}

pub(crate) fn http(http: &Http) -> Table {
    let mut table = Table::new();
    put(&mut table, "max_tcp_connections", number(http.max_tcp_connections));
    put(&mut table, "max_tcp_connections_per_peer", number(http.max_tcp_connections_per_peer));
    put(&mut table, "max_headers", number(http.max_headers));
    put(&mut table, "max_header_bytes", write_size(http.max_header_bytes));
    put(&mut table, "header_timeout", write_duration(http.header_timeout));
    put(&mut table, "body_timeout", write_duration(http.body_timeout));
    put(&mut table, "keep_alive", write_duration(http.keep_alive));
    put(&mut table, "max_requests", number(http.max_requests));
    put(&mut table, "max_streams", number(http.max_streams));
    table
}

fn rate(table: &mut Table, rate: Rate) {
    put(table, "requests_per_second", i64::from(rate.requests_per_second));
    put(table, "burst", i64::from(rate.burst));
}

pub(super) fn auth(config: &Config) -> Table {
    let auth = &config.auth;
    let mut table = Table::new();
    put(&mut table, "keys", keys(&auth.keys));
    put(&mut table, "admin_keys", keys(&auth.admin_keys));
    put(&mut table, "allowed_hosts", list(&auth.allowed_hosts));
    put(&mut table, "allowed_origins", list(&auth.allowed_origins));
    put(&mut table, "allow_unauthenticated", auth.allow_unauthenticated);
    put(&mut table, "rules", access::rules(&auth.rules));
    put(&mut table, "issuer", config.secrets.redact_url(&auth.tokens.issuer));
    put(&mut table, "jwks_url", config.secrets.redact_url(&auth.tokens.jwks_url));
    put(&mut table, "audiences", list(&auth.tokens.audiences));
    put(&mut table, "algorithms", auth.tokens.algorithms.iter().map(|known| known.name()).collect::<Array>());
    put(&mut table, "scopes", list(&auth.tokens.scopes));
    put(&mut table, "leeway", write_duration(auth.tokens.leeway));
    put(&mut table, "jwks_refresh", write_duration(auth.tokens.jwks_refresh));
    table
}

pub(super) fn telemetry(config: &Config) -> Table {
    let telemetry = &config.telemetry;
    let format = match telemetry.log_format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let mut table = Table::new();
    put(&mut table, "log_format", format);
    put(&mut table, "log_level", &telemetry.log_level);
    put(&mut table, "otlp_endpoint", config.secrets.redact_url(&telemetry.otlp_endpoint));
    put(&mut table, "tool_labels", telemetry.tool_labels);
    put(&mut table, "expose_stderr", telemetry.expose_stderr);
    table
}

/// A digest is no key, but a weak key can be guessed from it.
fn keys(keys: &[AuthKey]) -> Array {
    let entry = |key: &AuthKey| InlineTable::from_iter([("id", key.id.as_str()), ("sha256", REDACTED)]);
    keys.iter().map(entry).collect()
}
