//! One server of another program's file.

use figment::value::{Dict, Value};

use super::{Import, container};
use crate::error::{Fault, NoteKind};
use crate::key_path::KeyPath;
use crate::nearest::nearest;

/// Keys that are the same here.
const SAME: [&str; 7] = ["command", "args", "env", "cwd", "url", "headers", "disabled"];
/// Keys that are read here and mean something else, or are called otherwise.
const TRANSLATED: [&str; 12] = [
    "type",
    "transport",
    "serverUrl",
    "httpUrl",
    "enabled",
    "tools",
    "disabledTools",
    "container",
    "entrypoint",
    "entrypointArgs",
    "mounts",
    "guard-policies",
];
/// Rules of access that another program enforces: skipping them would open what somebody has closed.
const RULES: [&str; 4] = ["guard-policies", "guard_policies", "guard", "guards-mode"];

/// Translates one server into `[backends.NAME]`.
pub(super) fn server<'a>(
    entry: &Dict,
    name: &str,
    at: &KeyPath,
    variable: &dyn Fn(&str) -> Option<&'a str>,
    import: &mut Import,
) {
    let ours = |key: &'static str| ["backends", name, key];
    import.set(&["backends", name], at.clone(), Value::from(Dict::new()));
    if entry.contains_key("container") {
        container::container(entry, name, at, variable, import);
    }
    let mut skipped = Vec::new();
    for (key, value) in entry {
        let theirs = at.key(key);
        match key.as_str() {
            "args" | "env" if entry.contains_key("container") => {}
            "container" | "entrypoint" | "entrypointArgs" | "mounts" => {
                container::only_with(entry, key, at, import)
            }
            known if SAME.contains(&known) => import.set(&["backends", name, known], theirs, value.clone()),
            "type" | "transport" => transport(value, entry, name, theirs, import),
            "serverUrl" | "httpUrl" if !entry.contains_key("url") => {
                import.set(&ours("url"), theirs, value.clone());
            }
            "enabled" => {
                if let Value::Bool(_, enabled) = value {
                    import.set(&ours("disabled"), theirs, Value::from(!enabled));
                }
            }
            "tools" if is_empty(value) => {}
            "tools" if matches!(value, Value::Array(..)) => {
                import.set(&["backends", name, "tools", "allow"], theirs, value.clone());
            }
            "disabledTools" => import.set(&["backends", name, "tools", "deny"], theirs, value.clone()),
            rule if RULES.contains(&rule) && !is_empty(value) => import.faults.push(Fault::new(
                theirs,
                "an access rule of the GitHub gateway, which mcpvisor does not enforce",
                "remove it only if this server may be used without the rule",
            )),
            other => skipped.push(other),
        }
    }
    if skipped.is_empty() {
        return;
    }
    let known = SAME.iter().chain(&TRANSLATED).copied();
    let meant = skipped.iter().find_map(|key| nearest(key, known.clone()).map(|near| (*key, near)));
    let list: Vec<_> = skipped.iter().map(|key| format!("`{key}`")).collect();
    let what = format!("not read, as it is for another program: {}", list.join(", "));
    match meant {
        Some((key, near)) => {
            import.remark(NoteKind::Warning, at.key(key), format!("{what}; did you mean `{near}`?"));
        }
        None => import.remark(NoteKind::Ignored, at.clone(), what),
    }
}

fn transport(value: &Value, entry: &Dict, name: &str, theirs: KeyPath, import: &mut Import) {
    let word = value.as_str().unwrap_or_default();
    let remote = ["url", "serverUrl", "httpUrl"].iter().any(|key| entry.contains_key(*key));
    match word.to_ascii_lowercase().as_str() {
        "stdio" | "local" if !remote => {}
        "http" | "streamable-http" | "streamablehttp" | "streamable_http" if remote => {}
        "sse" if remote => import.set(&["backends", name, "transport"], theirs, Value::from("sse")),
        "stdio" | "local" => {
            import.faults.push(Fault::new(
                theirs,
                "a server with a url is no stdio server",
                "write \"http\"",
            ));
        }
        "http" | "streamable-http" | "streamablehttp" | "streamable_http" | "sse" => {
            import.faults.push(Fault::new(
                theirs,
                format!("{word} needs a url"),
                "add \"url\", or write \"stdio\"",
            ));
        }
        _ => import.faults.push(Fault::new(
            theirs,
            "not a way to reach a server",
            "write \"stdio\" (with command) or \"http\" (with url)",
        )),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(<[Value]>::is_empty) || value.as_dict().is_some_and(Dict::is_empty)
}
