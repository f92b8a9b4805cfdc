//! Settings of the contract that a later version puts into effect. None is ignored: each is refused. Delete each line with the version that makes it true.

use crate::error::Fault;
use crate::key_path::KeyPath;
use crate::{Backend, Config, Transport};

/// What is refused.
pub(crate) fn not_yet(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, backend) in config.backends.iter().filter(|(_, backend)| !backend.disabled) {
        let at = KeyPath::of(&["backends", name]);
        faults.extend(refused(backend, &at));
    }
    faults
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
    faults
}
