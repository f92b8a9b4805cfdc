//! `container` of the GitHub gateway: ours, with its own defaults and other names for some keys.

use figment::value::{Dict, Value};

use super::Import;
use crate::container::is_image;
use crate::error::{Fault, NoteKind};
use crate::key_path::KeyPath;

/// What that gateway gives every container: servers that write for a terminal would spoil the protocol, and
/// Python would hold its output back.
const ALWAYS: [(&str, &str); 3] = [("NO_COLOR", "1"), ("TERM", "dumb"), ("PYTHONUNBUFFERED", "1")];
/// Theirs and ours.
const RENAMED: [(&str, &str); 4] =
    [("entrypoint", "entrypoint"), ("mounts", "mounts"), ("args", "run_args"), ("entrypointArgs", "args")];

/// Sets what a container has.
pub(super) fn container<'a>(
    entry: &Dict,
    name: &str,
    at: &KeyPath,
    variable: &dyn Fn(&str) -> Option<&'a str>,
    import: &mut Import,
) {
    if entry.contains_key("command") {
        let hint = "keep one: command for a program, container for an image";
        import.faults.push(Fault::new(at.clone(), "both command and container are given", hint));
        return;
    }
    let Some(image) = entry.get("container").and_then(Value::as_str).filter(|image| is_image(image)) else {
        let hint = "write it as \"ghcr.io/owner/image:tag\"";
        import.faults.push(Fault::new(at.key("container"), "not the name of an image", hint));
        return;
    };
    import.set(&["backends", name, "container"], at.key("container"), Value::from(image));
    for (theirs, ours) in RENAMED {
        if let Some(value) = entry.get(theirs) {
            import.set(&["backends", name, ours], at.key(theirs), value.clone());
        }
    }
    let env = variables(entry, at, variable, import);
    import.set(&["backends", name, "env"], at.key("env"), Value::from(env));
}

/// The keys that mean something for a container only.
pub(super) fn only_with(entry: &Dict, key: &str, at: &KeyPath, import: &mut Import) {
    if !entry.contains_key("container") {
        import.faults.push(Fault::new(
            at.key(key),
            "only means something together with container",
            "remove it",
        ));
    }
}

/// An empty value means the one of our own environment.
fn variables<'a>(
    entry: &Dict,
    at: &KeyPath,
    variable: &dyn Fn(&str) -> Option<&'a str>,
    import: &mut Import,
) -> Dict {
    let mut env: Dict =
        ALWAYS.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    for (name, value) in entry.get("env").and_then(Value::as_dict).into_iter().flatten() {
        let given = value.as_str().filter(|text| !text.is_empty());
        let scalar = (!matches!(value, Value::String(..))).then(|| value.clone());
        let value = scalar.or_else(|| given.or_else(|| variable(name)).map(Value::from));
        let Some(value) = value else {
            let what =
                format!("{name} is to come from the environment, which has none: the server starts without");
            import.remark(NoteKind::Warning, at.key("env").key(name), what);
            continue;
        };
        env.insert(name.clone(), value);
    }
    env
}
