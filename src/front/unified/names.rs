//! Names of tools and prompts where several backends stand side by side: `backend__name`. Pure.

use std::fmt::Write;

use mcpvisor_config::nearest;

/// No backend has it in its name, nor an underscore at the end of it, so the first one is where the prefix ends.
const SEPARATOR: &str = "__";

/// The name as clients see it.
pub(crate) fn join(backend: &str, name: &str) -> String {
    format!("{backend}{SEPARATOR}{name}")
}

/// The backend, and the name as it knows it; `None`: there is no prefix.
pub(crate) fn split(name: &str) -> Option<(&str, &str)> {
    name.split_once(SEPARATOR)
}

/// What a client is told of a name that no backend answers to. `what`: "tool", "prompt".
pub(crate) fn unknown(what: &str, name: &str, backends: &[&str]) -> String {
    let mut text = format!("unknown {what}: {name}");
    let meant = match split(name) {
        Some((backend, rest)) => nearest(backend, backends.iter().copied()).map(|near| join(near, rest)),
        None => nearest_prefix(name, backends),
    };
    match meant {
        Some(meant) => drop(write!(text, "; did you mean {meant}?")),
        None => drop(write!(
            text,
            "; names here are BACKEND{SEPARATOR}NAME, with a backend of: {}",
            backends.join(", ")
        )),
    }
    text
}

/// `time_get`, `time.get` or `time-get` where `time__get` is meant.
fn nearest_prefix(name: &str, backends: &[&str]) -> Option<String> {
    let rest = |backend: &&str| {
        let rest = name.strip_prefix(*backend)?.strip_prefix(['_', '.', '-', '/', ':'])?;
        Some(join(backend, rest))
    };
    backends.iter().find_map(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call would reach another server than the one that the client has read the name of.
    #[test]
    fn what_was_joined_is_split_at_the_same_place() {
        for (backend, name) in [("a", "x"), ("a_b", "x__y"), ("a-1", "_x"), ("a", "__"), ("a.b", "")] {
            assert_eq!(split(&join(backend, name)), Some((backend, name)));
        }
        assert_eq!(split("echo"), None);
    }

    #[test]
    fn a_slip_is_told_what_was_meant() {
        let backends = ["memory", "time"];
        assert!(unknown("tool", "tme__now", &backends).ends_with("did you mean time__now?"));
        assert!(unknown("tool", "time_now", &backends).ends_with("did you mean time__now?"));
        assert!(unknown("tool", "echo", &backends).ends_with("with a backend of: memory, time"));
    }
}
