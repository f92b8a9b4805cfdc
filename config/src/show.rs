//! The effective configuration as TOML, for `mcpvisor check`. Secrets are redacted.

mod access;
mod backend;
mod sandbox;
pub(crate) mod sections;

use toml_edit::{DocumentMut, Item, Table, Value};

use crate::Config;

/// The configuration as it is in effect, as TOML. Redacted: values of `env` and `headers`, `session.state_key`, the
/// digests of keys, and in commands, arguments, folders and URLs what `${VAR}` brought in and what looks like a
/// credential.
pub fn to_toml_redacted(config: &Config) -> String {
    let mut document = DocumentMut::new();
    let mut section = |name: &str, table: Table| {
        document.insert(name, Item::Table(table));
    };
    section("gateway", sections::gateway(config));
    section("pool", sections::pool(&config.pool));
    section("session", sections::session(config));
    section("backoff", sections::backoff(&config.backoff));
    section("timeouts", sections::timeouts(&config.timeouts));
    section("limits", sections::limits(&config.limits));
    section("principal_limits", sections::principal_limits(&config.principal_limits));
    section("http", sections::http(&config.http));
    section("auth", sections::auth(config));
    section("telemetry", sections::telemetry(config));
    let mut groups = Table::new();
    for (name, members) in &config.groups {
        put(&mut groups, name, list(members));
    }
    section("groups", groups);
    let mut backends = Table::new();
    backends.set_implicit(!config.backends.is_empty());
    for (name, backend) in &config.backends {
        backends.insert(name, Item::Table(backend::backend(backend, config)));
    }
    section("backends", backends);
    document.to_string()
}

fn put(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key, toml_edit::value(value));
}

fn list(texts: &[String]) -> toml_edit::Array {
    texts.iter().map(String::as_str).collect()
}

fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
