//! Everything but the backends before and after.

use toml_edit::Table;

use super::Keys;
use crate::show::sections;
use crate::{AuthKey, Config};

/// Those that backends may override.
pub(super) const SECTIONS: [&str; 4] = ["pool", "backoff", "timeouts", "limits"];

/// Those that are only the service's own, and hold at once.
const OWN: [&str; 2] = ["principal_limits", "http"];

/// The keys that differ: those that hold at once, and those that need a restart.
pub(super) fn general(running: &Config, wanted: &Config) -> (Vec<String>, Vec<String>) {
    let (mut settings, mut restart) = (Keys::default(), Keys::default());
    let (before, after) = (&running.gateway, &wanted.gateway);
    restart.compare("gateway.listen", &before.listen, &after.listen);
    restart.compare("gateway.admin_listen", &before.admin_listen, &after.admin_listen);
    let tls = [
        ("gateway.tls", &before.tls, &after.tls),
        ("gateway.admin_tls", &before.admin_tls, &after.admin_tls),
    ];
    for (key, before, after) in tls {
        // Whoever knows the address knows whether it speaks TLS: that does not change under them.
        if before.is_some() == after.is_some() {
            settings.compare(key, before, after);
        } else {
            restart.compare(key, before, after);
        }
    }
    restart.compare("gateway.state_dir", &before.state_dir, &after.state_dir);
    restart.compare("gateway.workers", &before.workers, &after.workers);
    settings.compare("gateway.busy_poll", &before.busy_poll, &after.busy_poll);
    settings.compare("gateway.public_url", &before.public_url, &after.public_url);
    settings.compare("gateway.drain_timeout", &before.drain_timeout, &after.drain_timeout);
    settings.compare("gateway.unified", &before.unified, &after.unified);
    settings.compare("gateway.reload_on_change", &before.reload_on_change, &after.reload_on_change);
    for section in SECTIONS.into_iter().chain(OWN) {
        let (before, after) = (table(running, section), table(wanted, section));
        for (key, value) in before.iter() {
            let text = |item: Option<&toml_edit::Item>| item.map(ToString::to_string);
            settings.compare(&format!("{section}.{key}"), &text(Some(value)), &text(after.get(key)));
        }
    }
    let (before, after) = (&running.session, &wanted.session);
    settings.compare("session.ttl", &before.ttl, &after.ttl);
    settings.compare("session.header", &before.header, &after.header);
    settings.compare("session.parked_ttl", &before.parked_ttl, &after.parked_ttl);
    restart.compare("session.state_key", &before.state_key, &after.state_key);
    let (before, after) = (&running.auth, &wanted.auth);
    settings.compare("auth.keys", &keys(&before.keys), &keys(&after.keys));
    settings.compare("auth.admin_keys", &keys(&before.admin_keys), &keys(&after.admin_keys));
    settings.compare("auth.allowed_hosts", &before.allowed_hosts, &after.allowed_hosts);
    settings.compare("auth.allowed_origins", &before.allowed_origins, &after.allowed_origins);
    settings.compare(
        "auth.allow_unauthenticated",
        &before.allow_unauthenticated,
        &after.allow_unauthenticated,
    );
    settings.compare("auth.rules", &before.rules, &after.rules);
    let (before, after) = (&before.tokens, &after.tokens);
    settings.compare("auth.issuer", &before.issuer, &after.issuer);
    settings.compare("auth.jwks_url", &before.jwks_url, &after.jwks_url);
    settings.compare("auth.audiences", &before.audiences, &after.audiences);
    settings.compare("auth.algorithms", &before.algorithms, &after.algorithms);
    settings.compare("auth.scopes", &before.scopes, &after.scopes);
    settings.compare("auth.leeway", &before.leeway, &after.leeway);
    settings.compare("auth.jwks_refresh", &before.jwks_refresh, &after.jwks_refresh);
    let (before, after) = (&running.telemetry, &wanted.telemetry);
    settings.compare("telemetry.expose_stderr", &before.expose_stderr, &after.expose_stderr);
    restart.compare("telemetry.log_format", &before.log_format, &after.log_format);
    settings.compare("telemetry.log_level", &before.log_level, &after.log_level);
    restart.compare("telemetry.otlp_endpoint", &before.otlp_endpoint, &after.otlp_endpoint);
    restart.compare("telemetry.tool_labels", &before.tool_labels, &after.tool_labels);
    let (before, after) = (&running.groups, &wanted.groups);
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    for name in names {
        settings.compare(&format!("groups.{name}"), &before.get(name), &after.get(name));
    }
    (settings.0, restart.0)
}

/// The general value of `section.key`, as TOML.
pub(super) fn value(config: &Config, key: &str) -> Option<String> {
    let (section, key) = key.split_once('.')?;
    table(config, section).get(key).map(ToString::to_string)
}

fn table(config: &Config, section: &str) -> Table {
    match section {
        "pool" => sections::pool(&config.pool),
        "backoff" => sections::backoff(&config.backoff),
        "timeouts" => sections::timeouts(&config.timeouts),
        "principal_limits" => sections::principal_limits(&config.principal_limits),
        "http" => sections::http(&config.http),
        _ => sections::limits(&config.limits),
    }
}

fn keys(keys: &[AuthKey]) -> Vec<(&str, [u8; 32])> {
    keys.iter().map(|key| (key.id.as_str(), key.sha256)).collect()
}
