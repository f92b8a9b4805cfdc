//! JSON-RPC messages as bytes: only the envelope is read, the rest passes as it came.
//!
//! A typed round trip would drop unknown fields and rewrite numbers; here a message keeps every byte
//! but the id, which is spliced (`protocol.md`, "What is rewritten, and nothing else").

mod envelope;
mod fields;
mod id;
mod level;
mod params;

pub use envelope::{Envelope, EnvelopeError, Kind};
pub use fields::Fields;
pub use id::{IdError, client_id};
pub use level::LogLevel;
pub use params::{
    CancelParams, NameField, ProgressParams, SUBSCRIPTION_ID, cancelled_request_id, progress_token,
    request_progress_token, result_subscription_id, subscription_id,
};

use bytes::Bytes;
use serde_json::json;

/// A request of our own, in the form that goes on the wire.
pub fn request(id: u64, method: &str, params: &impl serde::Serialize) -> Bytes {
    encode(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

/// A notification of our own.
pub fn notification(method: &str, params: Option<serde_json::Value>) -> Bytes {
    match params {
        Some(params) => encode(&json!({ "jsonrpc": "2.0", "method": method, "params": params })),
        None => encode(&json!({ "jsonrpc": "2.0", "method": method })),
    }
}

/// An error answer to the request whose id is `id` (raw JSON).
pub fn error(id: Option<&[u8]>, code: i32, message: &str, data: Option<&serde_json::Value>) -> Bytes {
    let mut out = Vec::with_capacity(96 + message.len());
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.unwrap_or(b"null"));
    out.extend_from_slice(br#","error":{"code":"#);
    out.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
    out.extend_from_slice(br#","message":"#);
    out.extend_from_slice(json!(message).to_string().as_bytes());
    if let Some(data) = data {
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(data.to_string().as_bytes());
    }
    out.extend_from_slice(b"}}");
    out.into()
}

/// The answer to the `subscriptions/listen` whose id is `id` (raw JSON): the subscription has ended, and nothing is wrong.
pub fn subscription_ended(id: &[u8]) -> Bytes {
    let id = String::from_utf8_lossy(id);
    let meta = format!(r#"{{"{SUBSCRIPTION_ID}":{id}}}"#);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{meta}}}}}"#).into()
}

/// A result (raw JSON) for the request whose id is `id` (raw JSON).
pub fn result(id: &[u8], result: &[u8]) -> Bytes {
    [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":"#, result, b"}"].concat().into()
}

/// An empty result for the request whose id is `id` (raw JSON).
pub fn empty_result(id: &[u8]) -> Bytes {
    result(id, b"{}")
}

fn encode(value: &serde_json::Value) -> Bytes {
    value.to_string().into_bytes().into()
}

/// A request whose params are taken over byte for byte.
pub(crate) fn raw_request(id: u64, method: &str, params: &[u8]) -> Bytes {
    let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":"#);
    [head.as_bytes(), if params.is_empty() { b"{}" } else { params }, b"}"].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_the_type_of_the_id() {
        let bytes = error(Some(br#""7""#), -32600, "no \"good\"", Some(&json!({"a": 1})));
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["id"], "7");
        assert_eq!(value["error"]["message"], "no \"good\"");
        assert_eq!(value["error"]["data"]["a"], 1);
        let none: serde_json::Value = serde_json::from_slice(&error(None, -32700, "x", None)).unwrap();
        assert!(none["id"].is_null());
    }
}
