//! Settings from the environment and from flags.

use figment::value::{Dict, Value};

use crate::error::Fault;
use crate::key_path::KeyPath;
use crate::layer::{Layer, Origin, insert};
use crate::source::LoadRequest;

const PREFIX: &str = "MCPVISOR_";

/// One layer per variable, by name, so that the order is the same at every start. Only names with `__` are
/// settings: `MCPVISOR_CHILD` marks our children and is none. `RUST_LOG` comes last.
pub(crate) fn variables(request: &LoadRequest, names: &[String]) -> Vec<Layer> {
    let mut settings: Vec<_> = request
        .env
        .iter()
        .filter_map(|(name, value)| Some((name, name.strip_prefix(PREFIX)?, value)))
        .filter(|(_, path, _)| path.contains("__"))
        .collect();
    settings.sort_unstable();
    let mut layers: Vec<_> = settings
        .into_iter()
        .map(|(name, path, value)| {
            let path = setting_path(path, names);
            layer(Origin::Variable(name.clone()), &path.iter().map(String::as_str).collect::<Vec<_>>(), value)
        })
        .collect();
    if let Some(filter) = request.variable("RUST_LOG").filter(|filter| !filter.is_empty()) {
        layers.push(layer(Origin::Variable("RUST_LOG".into()), &["telemetry", "log_level"], filter));
    }
    layers
}

/// One layer per `--set`, then `--listen` and `--admin-listen`.
pub(crate) fn flags(request: &LoadRequest, faults: &mut Vec<Fault>) -> Vec<Layer> {
    let mut layers = Vec::new();
    for set in &request.sets {
        match parse_set(set) {
            Ok((path, value)) => {
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                layers.push(layer(Origin::Flag("--set"), &path, value));
            }
            // The value may be a secret: only the key is shown.
            Err(key) => faults.push(Fault::new(
                KeyPath::default(),
                format!("--set {key}: not KEY=VALUE with a dotted key"),
                "write it as --set pool.idle_timeout=10m",
            )),
        }
    }
    let addresses =
        [("--listen", "listen", &request.listen), ("--admin-listen", "admin_listen", &request.admin_listen)];
    for (flag, key, address) in addresses {
        let Some(address) = address else { continue };
        layers.push(layer(Origin::Flag(flag), &["gateway", key], address));
    }
    layers
}

/// `POOL__IDLE_TIMEOUT` is `pool.idle_timeout`. A backend is found whatever its case, with `_` for its `-` and `.`;
/// names of variables and headers keep their case.
fn setting_path(name: &str, backends: &[String]) -> Vec<String> {
    let parts: Vec<_> = name.split("__").collect();
    let plain = |text: &str| text.to_lowercase().replace(['-', '.'], "_");
    let section = parts.first().map(|part| part.to_lowercase()).unwrap_or_default();
    let free_map = match section.as_str() {
        "backends" => Some(2),
        "backend_defaults" => Some(1),
        _ => None,
    };
    let as_written = |position: usize| {
        let key_of_map = |at: usize| {
            position == at + 1
                && parts.get(at).is_some_and(|key| matches!(*key, "ENV" | "HEADERS" | "env" | "headers"))
        };
        free_map.is_some_and(key_of_map)
    };
    let mut path = Vec::with_capacity(parts.len());
    for (position, part) in parts.iter().enumerate() {
        let named = || backends.iter().find(|name| plain(name) == plain(part)).cloned();
        path.push(match position {
            1 if section == "backends" => named().unwrap_or_else(|| part.to_lowercase()),
            _ if as_written(position) => (*part).to_owned(),
            _ => part.to_lowercase(),
        });
    }
    path
}

fn parse_set(set: &str) -> Result<(Vec<String>, &str), &str> {
    let (key, value) = set.split_once('=').ok_or(set)?;
    let path = toml_edit::Key::parse(key).map_err(|_| key)?;
    Ok((path.iter().map(|key| key.get().to_owned()).collect(), value))
}

fn layer(origin: Origin, path: &[&str], value: &str) -> Layer {
    let mut dict = Dict::new();
    insert(&mut dict, path, from_text(value));
    Layer::plain(origin, dict)
}

/// Lists and tables are read as such; the rest stays text, and the setting it is for says what it means.
fn from_text(text: &str) -> Value {
    let trimmed = text.trim();
    if trimmed.starts_with(['[', '{']) {
        if let Ok(value @ (Value::Array(..) | Value::Dict(..))) = serde_json::from_str::<Value>(trimmed) {
            return value;
        }
        if let Ok(value @ (Value::Array(..) | Value::Dict(..))) = trimmed.parse::<Value>() {
            return value;
        }
    }
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_reaches_its_setting() {
        let names = ["My-Server.1".to_owned()];
        for (name, path) in [
            ("POOL__IDLE_TIMEOUT", "pool.idle_timeout"),
            ("BACKENDS__MY_SERVER_1__POOL__COOLDOWN", "backends.\"My-Server.1\".pool.cooldown"),
            ("BACKENDS__NEW__ENV__API_KEY", "backends.new.env.API_KEY"),
            ("BACKEND_DEFAULTS__HEADERS__X_TRACE", "backend_defaults.headers.X_TRACE"),
        ] {
            let found = setting_path(name, &names);
            let found = KeyPath::of(&found.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(found.to_string(), path);
        }
    }

    #[test]
    fn lists_are_lists_and_text_stays_as_it_was() {
        assert!(matches!(from_text(r#"["a", "b"]"#), Value::Array(..)));
        assert!(matches!(from_text(r#"[{id="ci",env="CI"}]"#), Value::Array(..)));
        for text in ["[::1]:8080", "007", "true", " x", "{broken"] {
            assert_eq!(from_text(text).into_string().as_deref(), Some(text));
        }
    }

    #[test]
    fn a_set_without_a_value_is_refused() {
        assert!(parse_set("pool.idle_timeout").is_err());
        assert!(parse_set("=x").is_err());
        assert_eq!(
            parse_set("backends.\"a.b\".env.X=1=2").map(|(path, value)| (path.len(), value)),
            Ok((4, "1=2"))
        );
    }
}
