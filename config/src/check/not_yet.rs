//! Settings of the contract that a later version puts into effect. None is ignored in silence, and where ignoring
//! one would do harm it is refused. Delete each line with the version that makes it true.

use crate::error::{Fault, NoteKind, Remark};
use crate::key_path::KeyPath;
use crate::{Backend, Config, Transport};

/// What is refused and what is only said.
pub(crate) fn not_yet(config: &Config) -> (Vec<Fault>, Vec<Remark>) {
    let mut faults = Vec::new();
    let mut remarks = Vec::new();
    let mut accepted = |at: KeyPath, instead: &str| {
        let what = format!("is accepted but not yet in effect in this version: {instead}");
        remarks.push(Remark { kind: NoteKind::Warning, at, what });
    };
    for name in config.groups.keys() {
        accepted(KeyPath::of(&["groups", name]), "groups have no endpoint");
    }
    for (name, backend) in config.backends.iter().filter(|(_, backend)| !backend.disabled) {
        let at = KeyPath::of(&["backends", name]);
        faults.extend(refused(backend, &at));
    }
    (faults, remarks)
}

fn refused(backend: &Backend, at: &KeyPath) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut refuse = |key: &str, what: &str, hint: &str| {
        faults.push(Fault::new(at.key(key), format!("not yet possible in this version: {what}"), hint));
    };
    if let Transport::Http { forward_authorization: true, .. } = &backend.transport {
        refuse(
            "forward_authorization",
            "passing the client's credentials on",
            "give the server its own by headers",
        );
    }
    let everything = backend.tools.deny.is_empty() && backend.tools.allow.iter().any(|glob| glob == "*");
    if !everything {
        let hint = "remove the filter only if every tool may be called";
        refuse("tools", "hiding tools; every tool of the backend would be callable", hint);
    }
    faults
}
