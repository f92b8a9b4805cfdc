//! `[auth]`: keys become digests here, and nothing keeps the key itself.

use sha2::{Digest, Sha256};

use super::{access, tokens};
use crate::read::Reader;
use crate::{Auth, AuthKey, LoadRequest};

pub(super) fn auth(reader: &Reader<'_>, public_url: &str, request: &LoadRequest) -> Auth {
    Auth {
        keys: keys(reader, "keys", request),
        admin_keys: keys(reader, "admin_keys", request),
        allowed_hosts: reader.texts("allowed_hosts"),
        allowed_origins: reader.texts("allowed_origins"),
        allow_unauthenticated: reader.flag("allow_unauthenticated"),
        tokens: tokens::tokens(reader, public_url.to_owned()),
        rules: access::rules(reader),
    }
}

/// The digest of a key as it is kept and compared.
pub(crate) fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn keys(reader: &Reader<'_>, list: &str, request: &LoadRequest) -> Vec<AuthKey> {
    let mut keys: Vec<AuthKey> = Vec::new();
    for entry in reader.tables(list) {
        let id = entry.text("id");
        let Some(sha256) = entry_digest(&entry, request) else { continue };
        if id.is_empty() {
            entry.fault(
                "id",
                "a key needs a name",
                "add id = \"…\"; it names the principal in logs and limits",
            );
            continue;
        }
        if keys.iter().any(|known| known.id == id) {
            entry.fault("id", format!("`{id}` names two keys"), "give each key its own id");
        }
        if let Some(twin) = keys.iter().find(|known| known.sha256 == sha256 && known.id != id) {
            let what = format!("the same key as `{}`: nobody could tell who used it", twin.id);
            entry.fault("id", what, "give each id its own key, or remove one");
        }
        keys.push(AuthKey { id, sha256 });
    }
    keys
}

fn entry_digest(entry: &Reader<'_>, request: &LoadRequest) -> Option<[u8; 32]> {
    match (entry.has("sha256"), entry.has("env")) {
        (true, false) => {
            let digest = from_hex(&entry.text("sha256"));
            if digest.is_none() {
                let hint = "write the output of: printf %s \"$KEY\" | sha256sum";
                entry.fault("sha256", "not the 64 hex digits of a SHA-256", hint);
            }
            digest
        }
        (false, true) => {
            let name = entry.text("env");
            let value = request.variable(&name).filter(|value| !value.is_empty());
            if value.is_none() {
                let what = format!("the environment variable {name} is not set or empty");
                entry.fault("env", what, format!("set {name} to the key, or give its sha256"));
            }
            value.map(digest)
        }
        (both, _) => {
            let what = if both { "both sha256 and env are given" } else { "neither sha256 nor env is given" };
            entry.fault_at(
                entry.at().clone(),
                what,
                "give one: sha256 = \"64 hex digits\" or env = \"VARIABLE\"",
            );
            None
        }
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}
