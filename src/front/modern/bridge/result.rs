//! What a legacy backend answers, as a modern client expects it. Pure.

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{self, Envelope};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::front::modern::checks::{INVALID_PARAMS, SUPPORTED};
use crate::front::rejection::INTERNAL_ERROR;
use mcpvisor_actors::message::Fields;

/// Codes of the legacy era that the modern one has no use for.
const RESOURCE_NOT_FOUND: i64 = -32002;
const URL_ELICITATION_REQUIRED: i64 = -32042;

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// How the backend introduced itself: its answer to `initialize`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Greeting {
    result: String,
}

#[derive(Deserialize, Default)]
struct InitializeResult<'a> {
    #[serde(borrow, rename = "serverInfo")]
    server_info: Option<&'a RawValue>,
    #[serde(default)]
    capabilities: Value,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
}

impl Greeting {
    /// Reads the whole answer, as a message.
    pub(crate) fn of(answer: &Bytes) -> Self {
        let answer = Envelope::parse(answer.clone()).ok();
        let body = answer.as_ref().and_then(Envelope::body).unwrap_or(b"{}");
        Self { result: String::from_utf8_lossy(body).into_owned() }
    }

    fn read(&self) -> InitializeResult<'_> {
        serde_json::from_str(&self.result).unwrap_or_default()
    }

    /// Whether it declared the capability.
    pub(crate) fn has(&self, capability: &str) -> bool {
        self.read().capabilities[capability].is_object()
    }

    /// Whether it declared this detail of the capability.
    pub(crate) fn promises(&self, capability: &str, detail: &str) -> bool {
        self.read().capabilities[capability][detail] == true
    }

    /// The result of `server/discover`.
    pub(crate) fn discover_result(&self) -> String {
        let InitializeResult { capabilities, instructions, .. } = self.read();
        let mut capabilities = if capabilities.is_object() { capabilities } else { json!({}) };
        if let Some(all) = capabilities.as_object_mut() {
            // Another thing of the same name in the modern era, where it is an extension.
            all.remove("tasks");
        }
        let mut fields = Fields::default();
        fields.set("supportedVersions", json!(SUPPORTED).to_string());
        fields.set("capabilities", capabilities.to_string());
        if let Some(instructions) = instructions {
            fields.set("instructions", instructions.get().to_owned());
        }
        self.complete("server/discover", fields.to_string().as_bytes())
    }

    /// A result of the backend, with what the modern era adds to it.
    pub(crate) fn complete(&self, method: &str, result: &[u8]) -> String {
        let Some(mut fields) = Fields::parse(result) else {
            return String::from_utf8_lossy(result).into_owned();
        };
        fields.set_if_missing("resultType", || "\"complete\"".to_owned());
        if is_cached(method) {
            fields.set_if_missing("ttlMs", || "0".to_owned());
            fields.set_if_missing("cacheScope", || "\"private\"".to_owned());
        }
        let meta = fields.get("_meta").map(str::to_owned);
        if let Some(meta) = self.sign(meta.as_deref()) {
            fields.set("_meta", meta);
        }
        fields.to_string()
    }

    /// `_meta` with the name of the server; `None`: it is not known, or there already.
    fn sign(&self, meta: Option<&str>) -> Option<String> {
        let info = self.read().server_info?.get();
        let mut fields =
            meta.map_or_else(|| Some(Fields::default()), |meta| Fields::parse(meta.as_bytes()))?;
        fields.set_if_missing(SERVER_INFO, || info.to_owned());
        Some(fields.to_string())
    }

    /// `input_required`, with these questions.
    pub(crate) fn input_required(&self, questions: &str, state: &str) -> String {
        let mut fields = Fields::default();
        fields.set("resultType", "\"input_required\"".to_owned());
        fields.set("inputRequests", questions.to_owned());
        fields.set("requestState", json!(state).to_string());
        if let Some(meta) = self.sign(None) {
            fields.set("_meta", meta);
        }
        fields.to_string()
    }
}

/// Whose results say how long they may be kept.
fn is_cached(method: &str) -> bool {
    matches!(method, "server/discover" | "resources/read" | "resources/templates/list")
        || matches!(method, "tools/list" | "prompts/list" | "resources/list")
}

/// What becomes of an error of a legacy backend.
#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// It passes as it is.
    Same,
    /// Another one takes its place.
    Other { code: i32, text: String, data: Option<Value> },
    /// The client is to open these pages and ask again: messages and addresses.
    Open(Vec<(String, String)>),
}

#[derive(Deserialize)]
struct Error {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

/// Reads the error of a request that named `uri`, if it named any.
pub(crate) fn failure(error: &[u8], uri: Option<&str>) -> Failure {
    let Ok(Error { code, message, data }) = serde_json::from_slice(error) else { return Failure::Same };
    match code {
        RESOURCE_NOT_FOUND => {
            let named = data["uri"].as_str().or(uri).map(|uri| json!({ "uri": uri }));
            Failure::Other { code: INVALID_PARAMS, text: message, data: named }
        }
        URL_ELICITATION_REQUIRED => {
            let pages = data["elicitations"].as_array().into_iter().flatten();
            let text = |page: &Value, key: &str| page[key].as_str().unwrap_or_default().to_owned();
            let pages: Vec<_> = pages.map(|page| (text(page, "message"), text(page, "url"))).collect();
            if pages.is_empty() {
                let data = json!({ "code": code });
                return Failure::Other { code: INTERNAL_ERROR, text: message, data: Some(data) };
            }
            Failure::Open(pages)
        }
        -32099..=-32020 => Failure::Other {
            code: INTERNAL_ERROR,
            text: message,
            data: Some(json!({ "code": code, "data": data })),
        },
        _ => Failure::Same,
    }
}

/// A result as the answer to the request with this id (raw JSON).
pub(crate) fn answer(id: &[u8], result: &str) -> (StatusCode, Bytes) {
    let answer = [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":"#, result.as_bytes(), b"}"].concat();
    (StatusCode::OK, answer.into())
}

/// An error as the answer to the request with this id (raw JSON).
pub(crate) fn error(id: &[u8], code: i32, text: &str, data: Option<&Value>) -> (StatusCode, Bytes) {
    let answer = message::error(Some(id), code, text, data);
    (super::super::answer::status(&answer), answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Greeting {
        let text = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"tasks":{}},
            "serverInfo":{"name":"s","version":"1"},"instructions":"ask"}}"#;
        Greeting::of(&Bytes::from_static(text.as_bytes()))
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    /// A client would take the answer for one of another era, and drop it.
    #[test]
    fn a_result_is_complete_signed_and_otherwise_as_it_was() {
        let call = greeting().complete("tools/call", br#"{"content":[],"n":1.50,"_meta":{"x":1}}"#);
        let expected = r#"{"content":[],"n":1.50,"_meta":{"x":1,"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}},"resultType":"complete"}"#;
        assert_eq!(value(&call), value(expected));
        assert!(call.contains("1.50"));
        let list = value(&greeting().complete("tools/list", br#"{"tools":[]}"#));
        assert_eq!((&list["ttlMs"], &list["cacheScope"]), (&json!(0), &json!("private")));
        assert!(value(&call).get("ttlMs").is_none());
        assert_eq!(Greeting::default().complete("x", b"[1]"), "[1]");
    }

    #[test]
    fn discovery_is_made_of_the_greeting() {
        let result = value(&greeting().discover_result());
        assert_eq!(result["supportedVersions"][0], "2026-07-28");
        assert_eq!(result["capabilities"], json!({ "tools": { "listChanged": true } }));
        assert_eq!(result["instructions"], "ask");
        assert_eq!(result["_meta"][SERVER_INFO]["name"], "s");
        assert_eq!(result["cacheScope"], "private");
        assert!(greeting().has("tools") && !greeting().has("logging"));
    }

    #[test]
    fn errors_of_the_old_era_get_codes_of_the_new_one() {
        let of = |text: &str| failure(text.as_bytes(), Some("file:///x"));
        assert_eq!(of(r#"{"code":-32601,"message":"no"}"#), Failure::Same);
        assert_eq!(of(r#"{"code":7,"message":"no"}"#), Failure::Same);
        let Failure::Other { code, data, .. } = of(r#"{"code":-32002,"message":"none"}"#) else { panic!() };
        assert_eq!((code, data), (-32602, Some(json!({ "uri": "file:///x" }))));
        let Failure::Other { code, data, .. } = of(r#"{"code":-32050,"message":"none"}"#) else { panic!() };
        assert_eq!((code, data.unwrap()["code"].clone()), (-32603, json!(-32050)));
        let open = r#"{"code":-32042,"message":"","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x/","message":"m"}]}}"#;
        assert_eq!(of(open), Failure::Open(vec![("m".into(), "https://x/".into())]));
    }
}
