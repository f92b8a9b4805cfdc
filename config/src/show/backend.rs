//! One backend: everything in effect, and of the overridable sections what differs from the service's own.

use std::collections::BTreeMap;

use toml_edit::{InlineTable, Item, Table, Value};

use super::{list, number, put, sandbox, sections};
use crate::secret::{REDACTED, Secrets};
use crate::units::write_duration;
use crate::{
    Backend, ClientAuth, Config, Idle, Isolation, Liveness, NameFilter, Oauth, OnRestart, Protocol, Retry,
    Transport, UpstreamKind,
};

pub(super) fn backend(backend: &Backend, config: &Config) -> Table {
    let mut table = Table::new();
    transport(backend, &config.secrets, &mut table);
    if matches!(backend.transport, Transport::Stdio { .. }) {
        put(&mut table, "sandbox", sandbox::sandbox(&backend.sandbox, &config.secrets));
    }
    policy(backend, &mut table);
    let overrides = [
        ("pool", sections::pool(&backend.pool), sections::pool(&config.pool)),
        ("backoff", sections::backoff(&backend.backoff), sections::backoff(&config.backoff)),
        ("timeouts", sections::timeouts(&backend.timeouts), sections::timeouts(&config.timeouts)),
        ("limits", sections::limits(&backend.limits), sections::limits(&config.limits)),
    ];
    for (name, own, general) in overrides {
        let differing = differing(own, &general);
        if !differing.is_empty() {
            table.insert(name, Item::Value(Value::InlineTable(differing)));
        }
    }
    table
}

fn transport(backend: &Backend, secrets: &Secrets, table: &mut Table) {
    match &backend.transport {
        Transport::Stdio { command, args, env, cwd, env_pass } => {
            let cwd = cwd.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            match &backend.container {
                None => put(table, "command", secrets.redact(command)),
                Some(container) => {
                    put(table, "container", secrets.redact(&container.image));
                    put(table, "engine", secrets.redact(command));
                    put(table, "entrypoint", secrets.redact(&container.entrypoint));
                    put(table, "mounts", list(&secrets.redact_args(&container.mounts)));
                    put(table, "run_args", list(&secrets.redact_args(&container.run_args)));
                }
            }
            put(table, "args", list(&secrets.redact_args(args)));
            put(table, "env", names_only(env));
            put(table, "cwd", secrets.redact(&cwd));
            put(table, "env_pass", list(env_pass));
        }
        Transport::Http { url, headers, kind, forward_authorization, oauth } => {
            put(table, "url", secrets.redact_url(url));
            put(table, "headers", names_only(headers));
            put(
                table,
                "transport",
                match kind {
                    UpstreamKind::Http => "http",
                    UpstreamKind::Sse => "sse",
                },
            );
            put(table, "forward_authorization", *forward_authorization);
            if let Some(oauth) = oauth {
                put(table, "oauth", shown(oauth, secrets));
            }
        }
    }
}

fn shown(oauth: &Oauth, secrets: &Secrets) -> InlineTable {
    let mut table = InlineTable::new();
    let client_auth = match oauth.client_auth {
        ClientAuth::Basic => "basic",
        ClientAuth::Post => "post",
    };
    let texts = [
        ("token_url", secrets.redact_url(&oauth.token_url)),
        ("client_id", secrets.redact(&oauth.client_id)),
        ("client_secret", REDACTED.to_owned()),
        ("client_auth", client_auth.to_owned()),
        ("scope", secrets.redact(&oauth.scope)),
        ("resource", secrets.redact_url(&oauth.resource)),
        ("audience", secrets.redact(&oauth.audience)),
    ];
    for (key, text) in texts {
        table.insert(key, text.into());
    }
    table
}

fn policy(backend: &Backend, table: &mut Table) {
    put(
        table,
        "isolation",
        match backend.isolation {
            Isolation::Session => "session",
            Isolation::Principal => "principal",
            Isolation::Shared => "shared",
            Isolation::Request => "request",
        },
    );
    put(
        table,
        "protocol",
        match backend.protocol {
            Protocol::Auto => "auto",
            Protocol::Legacy => "legacy",
            Protocol::Modern => "modern",
        },
    );
    put(
        table,
        "retry",
        match backend.retry {
            Retry::Safe => "safe",
            Retry::Never => "never",
        },
    );
    put(
        table,
        "liveness",
        match backend.liveness {
            Liveness::On => "on",
            Liveness::Off => "off",
        },
    );
    put(
        table,
        "on_restart",
        match backend.on_restart {
            OnRestart::Replay => "replay",
            OnRestart::EndSession => "end_session",
        },
    );
    put(
        table,
        "idle",
        match backend.idle {
            Idle::Evict => "evict",
            Idle::Keep => "keep",
        },
    );
    put(table, "keep_while_streaming", backend.keep_while_streaming);
    put(table, "warm", number(backend.warm));
    put(table, "warm_max_age", write_duration(backend.warm_max_age));
    let mut profile = InlineTable::new();
    profile.insert("name", backend.client_profile.name.as_str().into());
    profile.insert("version", backend.client_profile.version.as_str().into());
    profile.insert("capabilities", from_json(&backend.client_profile.capabilities));
    put(table, "client_profile", profile);
    let mut tools = names(&backend.tools.names);
    tools.insert("rename", texts(&backend.tools.rename).into());
    tools.insert("describe", texts(&backend.tools.describe).into());
    put(table, "tools", tools);
    put(table, "prompts", names(&backend.prompts));
    put(table, "resources", names(&backend.resources));
    put(table, "scopes", list(&backend.scopes));
    put(table, "disabled", backend.disabled);
}

fn names(filter: &NameFilter) -> InlineTable {
    [("allow", list(&filter.allow)), ("deny", list(&filter.deny))].into_iter().collect()
}

fn texts(map: &BTreeMap<String, String>) -> InlineTable {
    map.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

fn names_only(map: &BTreeMap<String, String>) -> InlineTable {
    map.keys().map(|name| (name.as_str(), REDACTED)).collect()
}

fn differing(own: Table, general: &Table) -> InlineTable {
    let text = |item: Option<&Item>| item.map(ToString::to_string);
    let differs = |key: &str, item: &Item| text(Some(item)) != text(general.get(key));
    let kept = own.iter().filter(|(key, item)| differs(key, item));
    kept.filter_map(|(key, item)| Some((key, item.as_value()?.clone()))).collect()
}

fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Object(map) => {
            let table: InlineTable =
                map.iter().map(|(key, value)| (key.as_str(), from_json(value))).collect();
            table.into()
        }
        serde_json::Value::Array(list) => Value::Array(list.iter().map(from_json).collect()),
        serde_json::Value::Bool(flag) => (*flag).into(),
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        serde_json::Value::Null => "".into(),
    }
}
