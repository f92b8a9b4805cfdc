//! Whose connection a modern request uses (`protocol.md`, "Session key").

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use mcpvisor_actors::message;
use mcpvisor_actors::{
    ConnectionKey, Credentials, Era, Launcher, MODERN_VERSION, Refusal, Route, SessionRecord, greeting,
};
use mcpvisor_config::{Backend, Isolation};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::meta::Meta;
use crate::front::face::sees_credentials;
use crate::front::inbound::Inbound;
use crate::front::initialize::random_id;

/// What a legacy backend is greeted with: the newest revision that has a handshake.
const LEGACY_VERSION: &str = "2025-11-25";

/// Who asks, as far as a connection depends on it.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) key: ConnectionKey,
    /// How the backend is greeted, if this is the first who uses the connection.
    pub(crate) record: Arc<SessionRecord>,
    /// The connection is for this request alone (`isolation = "request"`).
    pub(crate) is_alone: bool,
}

/// Ends a connection that was made for one request (`isolation = "request"`).
pub(crate) struct Alone {
    launcher: Launcher,
    key: ConnectionKey,
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.launcher.end_sessionless(&self.key);
    }
}

impl Who {
    /// In which `era` the backend is spoken to decides what its connection has to know of the client.
    ///
    /// # Errors
    /// The backend is gone.
    pub(crate) fn of(inbound: &Inbound<'_>, meta: &Meta, era: Era) -> Result<Self, Refusal> {
        let front = inbound.front;
        let (config, backend) = (front.launcher.config(), front.launcher.backend(&inbound.face.name)?);
        let sharers = sharers(&backend, &config.session.header, inbound.headers, &inbound.caller.principal);
        // What one has shown is nobody else's: neither its requests nor what the server says to it.
        let credentials = if sees_credentials(&backend) { inbound.credentials() } else { None };
        let sharers = match credentials.as_ref().map(Credentials::header) {
            None => sharers,
            Some(header) => format!("{sharers}:shows:{}", digest(header.map_or(b"", HeaderValue::as_bytes))),
        };
        // What a client can do is said in the handshake, once for all who share the connection.
        let capabilities = (era == Era::Legacy).then(|| capabilities(meta));
        let who = match &capabilities {
            None => sharers,
            Some(capabilities) => format!("{sharers}:{}", digest(&canonical(capabilities))),
        };
        let key = ConnectionKey::sessionless(&*inbound.face.name, era, &who);
        // The greeting is the same for all of a key, and most requests find it made.
        let opening = front.launcher.opening(&key).unwrap_or_else(|| match &capabilities {
            None => greeting(&backend),
            Some(capabilities) => initialize(&backend, meta, capabilities),
        });
        let record =
            SessionRecord::new(&*inbound.caller.principal, opening).in_era(era).with_credentials(credentials);
        Ok(Self { key, record: record.into(), is_alone: backend.isolation == Isolation::Request })
    }

    /// The way of one request of theirs.
    ///
    /// # Errors
    /// The backend is gone.
    pub(crate) fn route(&self, launcher: &Launcher) -> Result<Route, Refusal> {
        launcher.guest(self.key.clone(), self.record.clone())
    }

    /// Of a backend with a connection for each request: what ends it.
    pub(crate) fn alone(&self, launcher: &Launcher) -> Option<Alone> {
        self.is_alone.then(|| Alone { launcher: launcher.clone(), key: self.key.clone() })
    }
}

/// `_meta` of a request that mcpvisor makes for itself.
pub(crate) fn own_meta(inbound: &Inbound<'_>) -> Value {
    let backend = inbound.front.launcher.backend(&inbound.face.name).ok();
    let profile = backend.as_ref().map(|backend| &backend.client_profile);
    let info = profile.map(|profile| json!({ "name": profile.name, "version": profile.version }));
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": info.unwrap_or_default(),
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// Names those who share a connection. No part of it can be mistaken for another: what clients choose is digested.
fn sharers(backend: &Backend, header: &str, headers: &HeaderMap, principal: &str) -> String {
    match backend.isolation {
        Isolation::Shared => return "shared".to_owned(),
        // Without random numbers it is the principal's: no stranger's in any case.
        Isolation::Request if let Some(random) = random_id() => return format!("request:{random}"),
        _ => {}
    }
    let named = if header.is_empty() { None } else { headers.get(header) };
    match named.filter(|_| backend.isolation != Isolation::Principal) {
        Some(name) => format!("header:{}:{}", digest(name.as_bytes()), digest(principal.as_bytes())),
        None => format!("principal:{}", digest(principal.as_bytes())),
    }
}

fn capabilities(meta: &Meta) -> Value {
    meta.capabilities.as_deref().and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default()
}

fn initialize(backend: &Backend, meta: &Meta, capabilities: &Value) -> Bytes {
    let own = &backend.client_profile;
    let info: Option<Value> = meta.client_info.as_deref().and_then(|raw| serde_json::from_slice(raw).ok());
    let info = info.filter(|info| info["name"].is_string() && info["version"].is_string());
    let info = info.unwrap_or_else(|| json!({ "name": own.name, "version": own.version }));
    let params =
        json!({ "protocolVersion": LEGACY_VERSION, "capabilities": capabilities, "clientInfo": info });
    message::request(0, "initialize", &params)
}

/// The same text for the same value, in whatever order its keys came.
pub(crate) fn canonical(value: &Value) -> Vec<u8> {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> =
                    fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                fields.sort_by(|(one, _), (other, _)| one.cmp(other));
                Value::Object(fields.into_iter().collect())
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    sorted(value).to_string().into_bytes()
}

/// 128 bits of SHA-256, in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(isolation: &str) -> Backend {
        let text = format!("[backends.b]\ncommand = \"x\"\nisolation = \"{isolation}\"\n");
        let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text };
        let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
        mcpvisor_config::load(request).unwrap().config.backends["b"].clone()
    }

    /// One user would get the connection, and with it the memory, of another.
    #[test]
    fn strangers_never_share_a_connection_unless_the_backend_says_so() {
        let headers: HeaderMap = [("x-session".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
        let of = |isolation: &str, header: &str, principal: &str| {
            sharers(&backend(isolation), header, &headers, principal)
        };
        assert_ne!(of("session", "", "alice"), of("session", "", "bob"));
        assert_ne!(of("session", "x-session", "alice"), of("session", "x-session", "bob"));
        assert_ne!(of("session", "x-session", "alice"), of("session", "", "alice"));
        assert_eq!(of("principal", "x-session", "alice"), of("principal", "", "alice"));
        assert_eq!(of("shared", "x-session", "alice"), of("shared", "", "bob"));
    }

    #[test]
    fn the_order_of_keys_makes_no_other_client() {
        let (one, other) =
            (json!({"a": 1, "b": [{"x": 1, "y": 2}]}), json!({"b": [{"y": 2, "x": 1}], "a": 1}));
        assert_eq!(canonical(&one), canonical(&other));
        assert_ne!(canonical(&one), canonical(&json!({"a": 1, "b": []})));
    }
}
