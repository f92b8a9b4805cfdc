//! `container` of the GitHub gateway: the image becomes `docker run --rm -i --init … IMAGE …`.

use figment::value::{Dict, Value};

use super::Import;
use crate::error::{Fault, NoteKind};
use crate::key_path::KeyPath;

/// What that gateway gives every container: servers that write for a terminal would spoil the protocol, and
/// Python would hold its output back.
const ALWAYS: [&str; 3] = ["NO_COLOR=1", "TERM=dumb", "PYTHONUNBUFFERED=1"];
/// Variables that steer the docker command itself: they must not be given to it for the container's sake.
const STEERS_DOCKER: [&str; 9] =
    ["PATH", "HOME", "USER", "TMPDIR", "DOCKER_", "LD_", "XDG_", "BUILDKIT_", "SSH_"];

/// Sets command, args and env of the backend.
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
    let mut args: Vec<String> = ["run", "--rm", "-i", "--init"].map(str::to_owned).into();
    args.extend(ALWAYS.iter().flat_map(|variable| ["-e".to_owned(), (*variable).to_owned()]));
    if let Some(entrypoint) = entry.get("entrypoint").and_then(Value::as_str) {
        args.extend(["--entrypoint".to_owned(), entrypoint.to_owned()]);
    }
    for (index, mount) in texts(entry, "mounts", at, import).into_iter().enumerate() {
        if !is_mount(&mount) {
            let hint = "write it as \"/host/path:/container/path:ro\" (or :rw)";
            import.faults.push(Fault::new(at.key("mounts").index(index), "not a mount", hint));
        }
        args.extend(["-v".to_owned(), mount]);
    }
    let env = variables(entry, at, variable, &mut args, import);
    args.extend(texts(entry, "args", at, import));
    args.push(image.to_owned());
    args.extend(texts(entry, "entrypointArgs", at, import));

    let image_at = at.key("container");
    import.set(&["backends", name, "command"], image_at.clone(), Value::from("docker"));
    import.set(&["backends", name, "args"], image_at, Value::from(args));
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

/// Values travel in the environment of docker, named by `-e NAME`: on its command line everyone on the machine
/// could read them. An empty value means the one of our own environment.
fn variables<'a>(
    entry: &Dict,
    at: &KeyPath,
    variable: &dyn Fn(&str) -> Option<&'a str>,
    args: &mut Vec<String>,
    import: &mut Import,
) -> Dict {
    let mut env = Dict::new();
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
        let steers = STEERS_DOCKER.iter().any(|known| match known.strip_suffix('_') {
            Some(_) => name.starts_with(known),
            None => name == known,
        });
        match value.as_str() {
            Some(text) if steers => args.extend(["-e".to_owned(), format!("{name}={text}")]),
            _ => {
                args.extend(["-e".to_owned(), name.clone()]);
                env.insert(name.clone(), value);
            }
        }
    }
    env
}

fn texts(entry: &Dict, key: &str, at: &KeyPath, import: &mut Import) -> Vec<String> {
    let Some(value) = entry.get(key) else { return Vec::new() };
    let list = value.as_array().unwrap_or_default();
    let texts: Vec<_> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if texts.len() != list.len() || value.as_array().is_none() {
        import.faults.push(Fault::new(at.key(key), "not a list of texts", "write it as [\"…\", \"…\"]"));
    }
    texts
}

/// What begins with `-` would be an option of docker.
fn is_image(image: &str) -> bool {
    !image.is_empty() && !image.starts_with('-') && !image.contains(char::is_whitespace)
}

fn is_mount(mount: &str) -> bool {
    let parts: Vec<_> = mount.split(':').collect();
    match parts.as_slice() {
        [source, target] | [source, target, "ro" | "rw"] => {
            source.starts_with('/') && target.starts_with('/')
        }
        _ => false,
    }
}
