//! Who asks: what a client has said of itself in its handshake, as each request of the modern era repeats it. Pure.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::era::MODERN_VERSION;
use crate::message::{Envelope, Fields, LogLevel};

/// The newest revision with a handshake, and the only one whose clients can be sent to a page.
const NEWEST: &str = "2025-11-25";

/// The revisions with a handshake that a client can be served in.
const SERVED: [&str; 4] = [NEWEST, "2025-06-18", "2025-03-26", "2024-11-05"];

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// What is between the backend and us.
const OF_THE_ERA: [&str; 4] = [VERSION, CLIENT_INFO, CAPABILITIES, LEVEL];

/// Read from `initialize`.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    /// The revision that the client is answered with.
    version: &'static str,
    client_info: Option<String>,
    capabilities: Value,
}

#[derive(Deserialize, Default)]
struct Initialize {
    #[serde(default, rename = "protocolVersion")]
    version: String,
    #[serde(default, rename = "clientInfo")]
    client_info: Value,
    #[serde(default)]
    capabilities: Value,
}

impl Introduction {
    /// Of a client's `initialize`. What stands in it that cannot be read was not said.
    pub(super) fn of(initialize: &Envelope) -> Self {
        let read: Initialize =
            serde_json::from_slice(initialize.params().unwrap_or_default()).unwrap_or_default();
        let version = SERVED.into_iter().find(|known| *known == read.version).unwrap_or(NEWEST);
        let mut capabilities = if read.capabilities.is_object() { read.capabilities } else { json!({}) };
        if let Some(all) = capabilities.as_object_mut() {
            // What nobody here translates, a backend must not count on.
            all.remove("tasks");
            all.remove("extensions");
            if let Some(roots) = all.get_mut("roots").and_then(Value::as_object_mut) {
                roots.remove("listChanged");
            }
            if let Some(elicitation) = all.get_mut("elicitation").and_then(Value::as_object_mut)
                && version != NEWEST
            {
                elicitation.remove("url");
            }
        }
        let client_info = read.client_info.is_object().then(|| read.client_info.to_string());
        Self { version, client_info, capabilities }
    }

    /// The revision that the client is answered with.
    pub(super) fn version(&self) -> &'static str {
        self.version
    }

    /// Whether the client understands questions of more than one kind, and says so.
    pub(super) fn is_newest(&self) -> bool {
        self.version == NEWEST
    }

    /// What the client would have had to declare to be asked this; `None`: it has.
    pub(super) fn undeclared(&self, method: &str, params: &Value) -> Option<&'static str> {
        let has = |path: &str| self.capabilities.pointer(path).is_some_and(Value::is_object);
        let needed = match method {
            "roots/list" if has("/roots") => return None,
            "roots/list" => "roots",
            "sampling/createMessage" if !has("/sampling") => "sampling",
            "sampling/createMessage" => {
                let with_tools = ["tools", "toolChoice"].iter().any(|name| !params[name].is_null());
                if !with_tools || has("/sampling/tools") {
                    return None;
                }
                "sampling.tools"
            }
            "elicitation/create" if params["mode"] == "url" => {
                if has("/elicitation/url") {
                    return None;
                }
                "elicitation.url"
            }
            // An empty object stands for forms.
            "elicitation/create" if has("/elicitation/form") => return None,
            "elicitation/create" if has("/elicitation") && !has("/elicitation/url") => return None,
            "elicitation/create" => "elicitation",
            _ => "no capability that is known",
        };
        Some(needed)
    }

    /// The params of a request (raw JSON) with all that the modern era wants to be told each time. `None`: they are no object.
    pub(super) fn sign(&self, params: Option<&[u8]>, level: Option<LogLevel>) -> Option<String> {
        let mut fields = match params {
            Some(params) => Fields::parse(params)?,
            None => Fields::default(),
        };
        let given = fields.get("_meta").map(str::to_owned);
        let mut meta = Fields::default();
        meta.add(VERSION, json!(MODERN_VERSION).to_string());
        if let Some(info) = &self.client_info {
            meta.add(CLIENT_INFO, info.as_str());
        }
        meta.add(CAPABILITIES, self.capabilities.to_string());
        if let Some(level) = level {
            meta.add(LEVEL, json!(level.as_str()).to_string());
        }
        let given = given.as_ref().and_then(|given| Fields::parse(given.as_bytes()));
        for (name, value) in given.iter().flat_map(Fields::iter) {
            if !OF_THE_ERA.contains(&name) {
                meta.add(name.to_owned(), value.to_owned());
            }
        }
        let meta = meta.to_string();
        fields.set("_meta", meta);
        Some(fields.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str, capabilities: Value) -> Introduction {
        let params = json!({
            "protocolVersion": version, "capabilities": capabilities,
            "clientInfo": { "name": "c", "version": "1" },
        });
        Introduction::of(&Envelope::parse(crate::message::request(1, "initialize", &params)).unwrap())
    }

    /// A client that is answered in a revision it does not know has to leave.
    #[test]
    fn a_client_is_answered_in_its_own_revision_or_the_newest() {
        for (asked, answered) in [
            ("2025-03-26", "2025-03-26"),
            ("2024-11-05", "2024-11-05"),
            ("2025-11-25", "2025-11-25"),
            ("2031-01-01", "2025-11-25"),
        ] {
            assert_eq!(of(asked, json!({})).version(), answered);
        }
    }

    #[test]
    fn every_request_says_who_asks_and_keeps_what_it_had() {
        let client = of("2025-06-18", json!({ "roots": { "listChanged": true }, "tasks": {}, "x": 1 }));
        let signed = client.sign(
            Some(br#"{"n":1.50,"_meta":{"progressToken":7,"io.modelcontextprotocol/logLevel":"alert"}}"#),
            LogLevel::of("info"),
        );
        let expected = concat!(
            r#"{"n":1.50,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
            r#""io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"#,
            r#""io.modelcontextprotocol/clientCapabilities":{"roots":{},"x":1},"#,
            r#""io.modelcontextprotocol/logLevel":"info","progressToken":7}}"#
        );
        assert_eq!(signed.unwrap(), expected);
        let bare: Value = serde_json::from_str(&client.sign(None, None).unwrap()).unwrap();
        assert_eq!(bare["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert!(bare["_meta"].get("io.modelcontextprotocol/logLevel").is_none());
        assert!(client.sign(Some(b"[1]"), None).is_none());
    }

    /// A client would be asked what it cannot answer, or not be asked what it can.
    #[test]
    fn a_client_is_asked_only_what_it_has_declared() {
        let (form, url) = (json!({ "mode": "form" }), json!({ "mode": "url" }));
        let client = of("2025-11-25", json!({ "elicitation": {}, "sampling": {} }));
        assert_eq!(client.undeclared("elicitation/create", &form), None);
        assert_eq!(client.undeclared("elicitation/create", &url), Some("elicitation.url"));
        assert_eq!(client.undeclared("roots/list", &Value::Null), Some("roots"));
        assert_eq!(client.undeclared("sampling/createMessage", &json!({})), None);
        let tools = json!({ "tools": [] });
        assert_eq!(client.undeclared("sampling/createMessage", &tools), Some("sampling.tools"));
        assert!(client.undeclared("other/thing", &Value::Null).is_some());
        let only_url = of("2025-11-25", json!({ "elicitation": { "url": {} } }));
        assert_eq!(only_url.undeclared("elicitation/create", &form), Some("elicitation"));
        assert_eq!(only_url.undeclared("elicitation/create", &url), None);
        let old = of("2025-06-18", json!({ "elicitation": { "url": {}, "form": {} } }));
        assert_eq!(old.undeclared("elicitation/create", &url), Some("elicitation.url"));
    }
}
