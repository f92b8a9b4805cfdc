//! What is allowed, and may not be what the user expects.

use crate::error::{NoteKind, Remark};
use crate::key_path::KeyPath;
use crate::{Config, Isolation, Transport};

/// What is said at the start and by `check`.
pub(crate) fn remarks(config: &Config, user_set: &dyn Fn(&KeyPath) -> bool) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut say = |at: KeyPath, what: &str| {
        remarks.push(Remark { kind: NoteKind::Warning, at, what: what.to_owned() });
    };
    let rules = KeyPath::of(&["auth", "rules"]);
    if !config.auth.rules.is_empty() && config.auth.is_open() {
        say(rules, "without auth.keys or auth.issuer every client is the principal \"anonymous\"");
    }
    let top = KeyPath::default();
    for (section, rate) in
        [("limits", config.limits.rate), ("principal_limits", config.principal_limits.rate)]
    {
        if rate.burst > 0 && !rate.is_on() {
            say(
                top.key(section).key("burst"),
                "has no effect: requests_per_second is 0, so nothing is counted",
            );
        }
    }
    for (name, backend) in config.backends.iter().filter(|(_, backend)| !backend.disabled) {
        let at = KeyPath::of(&["backends", name]);
        if backend.isolation == Isolation::Principal && config.auth.is_open() {
            let what = "without auth.keys or auth.issuer every client is the same principal, so all of them share one connection";
            say(at.key("isolation"), what);
        }
        let warm = at.key("warm");
        let upstream = matches!(backend.transport, Transport::Http { .. });
        // A default of all backends is not meant for this one.
        if upstream && backend.warm > 0 && user_set(&warm) {
            say(warm, "has no effect: a url has no process to keep in reserve");
        }
    }
    remarks
}
