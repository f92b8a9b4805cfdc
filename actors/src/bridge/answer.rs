//! What a modern backend answers, as a legacy client expects it. Pure.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::introduction::Introduction;
use crate::message::{self, Envelope, Fields, SUBSCRIPTION_ID};

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What of a result is of the modern era.
const FIELDS: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];
const META: [&str; 2] = [SERVER_INFO, SUBSCRIPTION_ID];

/// A resource that does not exist, in the words of either era.
const INVALID_PARAMS: i64 = -32602;
const RESOURCE_NOT_FOUND: i64 = -32002;

/// How an answer goes on.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    /// The client gets this.
    Answer(Bytes),
    /// The backend wants to know something first.
    InputRequired,
    /// No client of the other era could make anything of it.
    Unknown(String),
}

#[derive(Deserialize, Default)]
struct Typed {
    #[serde(default, rename = "resultType")]
    result_type: Option<String>,
}

/// Reads the result to a request; `id` is the one that it is known by here.
pub(super) fn result(answer: &Envelope, id: &[u8]) -> Reading {
    let body = answer.body().unwrap_or_default();
    let typed: Typed = serde_json::from_slice(body).unwrap_or_default();
    match typed.result_type.as_deref() {
        None | Some("complete") => Reading::Answer(answer.with_id_and(id, body, plain(body).as_bytes())),
        Some("input_required") => Reading::InputRequired,
        Some(other) => Reading::Unknown(other.to_owned()),
    }
}

/// A result without what only the modern era has.
fn plain(object: &[u8]) -> String {
    let Some(mut fields) = Fields::parse(object) else {
        return String::from_utf8_lossy(object).into_owned();
    };
    for name in FIELDS {
        fields.remove(name);
    }
    strip_meta(&mut fields);
    fields.to_string()
}

fn strip_meta(fields: &mut Fields<'_>) {
    let given = fields.get("_meta").map(str::to_owned);
    let Some(mut meta) = given.as_ref().and_then(|given| Fields::parse(given.as_bytes())) else { return };
    let mut any = false;
    for name in META {
        any |= meta.remove(name);
    }
    match &*meta.to_string() {
        _ if !any => {}
        "{}" => drop(fields.remove("_meta")),
        left => fields.set("_meta", left.to_owned()),
    }
}

/// A notification without the name of a subscription.
pub(super) fn notification(message: &Envelope) -> Bytes {
    let Some(params) = message.params() else { return message.bytes().clone() };
    if memchr::memmem::find(params, b"io.modelcontextprotocol/").is_none() {
        return message.bytes().clone();
    }
    let Some(mut fields) = Fields::parse(params) else { return message.bytes().clone() };
    strip_meta(&mut fields);
    message.with_part(params, fields.to_string().as_bytes())
}

/// The error to a request, in codes that its client can know.
pub(super) fn error(method: &str, answer: &Envelope, id: &[u8]) -> Bytes {
    let body = answer.body().unwrap_or_default();
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = match read["code"].as_i64() {
        Some(-32022..=-32020) => -32603,
        Some(INVALID_PARAMS) if method == "resources/read" && read["data"]["uri"].is_string() => {
            RESOURCE_NOT_FOUND
        }
        _ => return answer.with_id(id),
    };
    let Some(mut fields) = Fields::parse(body) else { return answer.with_id(id) };
    fields.set("code", code.to_string());
    answer.with_id_and(id, body, fields.to_string().as_bytes())
}

/// What a server has said of itself in a DiscoverResult, and an InitializeResult made of it.
pub(super) struct Discovered {
    pub(super) capabilities: Value,
    instructions: Option<Value>,
    server_info: Value,
}

impl Discovered {
    /// Reads the result of `server/discover`. `name`: of a server that does not give any.
    pub(super) fn of(answer: &Envelope, name: &str) -> Self {
        let mut read: Value = serde_json::from_slice(answer.body().unwrap_or_default()).unwrap_or_default();
        let mut capabilities = read["capabilities"].take();
        if !capabilities.is_object() {
            capabilities = json!({});
        }
        if let Some(all) = capabilities.as_object_mut() {
            // Nobody here translates those.
            all.remove("tasks");
            all.remove("extensions");
        }
        let mut server_info = read["_meta"][SERVER_INFO].take();
        if !server_info.is_object() {
            server_info = json!({ "name": name, "version": "unknown" });
        }
        let instructions = read.get_mut("instructions").map(Value::take).filter(Value::is_string);
        Self { capabilities, instructions, server_info }
    }

    /// The answer to `initialize`.
    pub(super) fn initialize_result(&self, client: &Introduction, id: &[u8]) -> Bytes {
        let mut result = json!({
            "protocolVersion": client.version(),
            "capabilities": self.capabilities,
            "serverInfo": self.server_info,
        });
        if let Some(instructions) = &self.instructions {
            result["instructions"] = instructions.clone();
        }
        message::result(id, result.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Envelope {
        Envelope::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_result_loses_what_is_of_the_other_era_and_nothing_else() {
        let answer = parse(
            r#"{"jsonrpc":"2.0","id":9,"result":{"resultType":"complete","n":1.50,"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"},"x":1}}}"#,
        );
        let expected = r#"{"jsonrpc":"2.0","id":7,"result":{"n":1.50,"_meta":{"x":1}}}"#;
        assert_eq!(result(&answer, b"7"), Reading::Answer(expected.into()));
        let bare =
            parse(r#"{"jsonrpc":"2.0","id":9,"result":{"_meta":{"io.modelcontextprotocol/serverInfo":{}}}}"#);
        assert_eq!(result(&bare, b"7"), Reading::Answer(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#.into()));
        let odd = parse(r#"{"jsonrpc":"2.0","id":9,"result":{"resultType":"task"}}"#);
        assert_eq!(result(&odd, b"7"), Reading::Unknown("task".into()));
    }

    #[test]
    fn a_notification_does_not_name_a_subscription_that_its_client_never_made() {
        let updated = parse(
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":4},"uri":"a"}}"#,
        );
        let expected = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a"}}"#;
        assert_eq!(notification(&updated), expected);
    }

    #[test]
    fn errors_that_only_the_other_era_knows_are_told_in_codes_of_this_one() {
        let code = |method: &str, body: &str| {
            let answer = parse(&format!(r#"{{"jsonrpc":"2.0","id":9,"error":{body}}}"#));
            let told: Value = serde_json::from_slice(&error(method, &answer, b"\"a\"")).unwrap();
            assert_eq!(told["id"], "a");
            assert_eq!(told["error"]["message"], "no");
            told["error"]["code"].as_i64().unwrap()
        };
        assert_eq!(code("tools/call", r#"{"code":-32021,"message":"no"}"#), -32603);
        assert_eq!(code("tools/call", r#"{"code":-32602,"message":"no"}"#), -32602);
        assert_eq!(code("resources/read", r#"{"code":-32602,"message":"no","data":{"uri":"x"}}"#), -32002);
        assert_eq!(code("resources/read", r#"{"code":-32602,"message":"no"}"#), -32602);
    }

    #[test]
    fn a_server_is_introduced_without_what_is_not_translated() {
        let answer = parse(
            r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"extensions":{"x":{}},"tasks":{}},"instructions":"do","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}}}}"#,
        );
        let initialize = parse(
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#,
        );
        let client = Introduction::of(&initialize);
        let told: Value =
            serde_json::from_slice(&Discovered::of(&answer, "b").initialize_result(&client, b"3")).unwrap();
        let expected = json!({ "jsonrpc": "2.0", "id": 3, "result": {
            "protocolVersion": "2025-06-18", "capabilities": { "tools": { "listChanged": true } },
            "serverInfo": { "name": "s", "version": "2" }, "instructions": "do",
        }});
        assert_eq!(told, expected);
        let nameless = parse(r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}"#);
        let told: Value =
            serde_json::from_slice(&Discovered::of(&nameless, "b").initialize_result(&client, b"3")).unwrap();
        assert_eq!(told["result"]["serverInfo"]["name"], "b");
    }
}
