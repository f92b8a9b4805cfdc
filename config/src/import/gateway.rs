//! `gateway` of the GitHub gateway's file: port, domain, key and timeouts.

use figment::value::{Dict, Value};

use super::Import;
use crate::error::{Fault, NoteKind};
use crate::key_path::KeyPath;
use crate::nearest::nearest;
use crate::resolve::key_digest;

const KNOWN: [&str; 5] = ["port", "domain", "apiKey", "startupTimeout", "toolTimeout"];

/// Translates the section.
pub(super) fn gateway(gateway: &Dict, import: &mut Import) {
    let at = KeyPath::of(&["gateway"]);
    for (key, value) in gateway {
        let theirs = at.key(key);
        match key.as_str() {
            "port" => port(value, domain(gateway), theirs, import),
            "domain" => {}
            "apiKey" => api_key(value, theirs, import),
            "startupTimeout" => seconds(value, &["timeouts", "launch"], theirs, import),
            "toolTimeout" => seconds(value, &["timeouts", "request"], theirs, import),
            other => match nearest(other, KNOWN) {
                Some(near) => {
                    import.faults.push(Fault::new(theirs, "unknown key", format!("did you mean `{near}`?")))
                }
                None => {
                    import.remark(NoteKind::Ignored, theirs, "not read, as it is for the GitHub gateway");
                }
            },
        }
    }
    let domain = domain(gateway);
    if !is_local(domain) {
        import.set(&["auth", "allowed_hosts"], at.key("domain"), Value::from(vec![domain.to_owned()]));
    }
}

fn domain(gateway: &Dict) -> &str {
    gateway.get("domain").and_then(Value::as_str).unwrap_or("localhost")
}

fn is_local(domain: &str) -> bool {
    matches!(domain, "localhost" | "127.0.0.1" | "")
}

/// A domain besides localhost means that clients come from elsewhere, such as another container.
fn port(value: &Value, domain: &str, theirs: KeyPath, import: &mut Import) {
    let text = number(value);
    let Some(port) = text.and_then(|port| u16::try_from(port).ok()) else {
        import.faults.push(Fault::new(theirs, "not a port", "write a number from 1 to 65535, such as 8080"));
        return;
    };
    let host = if is_local(domain) { "127.0.0.1" } else { "0.0.0.0" };
    import.remark(NoteKind::Mapped, theirs.clone(), format!("listens on {host}:{port}"));
    import.set(&["gateway", "listen"], theirs, Value::from(format!("{host}:{port}")));
}

fn api_key(value: &Value, theirs: KeyPath, import: &mut Import) {
    let Some(key) = value.as_str().filter(|key| !key.is_empty()) else {
        let hint = "set it to a long random text, or remove it to listen on loopback without a key";
        import.faults.push(Fault::new(theirs, "an empty key would let everyone in", hint));
        return;
    };
    let digest: String = key_digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    let entry = Dict::from([("id".into(), Value::from("gateway")), ("sha256".into(), Value::from(digest))]);
    import.set(&["auth", "keys"], theirs, Value::from(vec![entry]));
}

fn seconds(value: &Value, ours: &[&str], theirs: KeyPath, import: &mut Import) {
    match number(value) {
        Some(seconds) => import.set(ours, theirs, Value::from(format!("{seconds}s"))),
        None => import.faults.push(Fault::new(
            theirs,
            "not a number of seconds",
            "write a whole number, such as 60",
        )),
    }
}

/// A whole number, also as text: `"${PORT}"` is one after expansion.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Num(_, num) => {
            num.to_i128().or_else(|| num.to_u128().map(|big| big as i128)).and_then(|n| n.try_into().ok())
        }
        Value::String(_, text) => text.trim().parse().ok(),
        _ => None,
    }
}
