//! A modern client's request, as its backend gets it and as it is known again. Pure.

use mcpvisor_actors::message::Envelope;
use serde_json::Value;

use crate::front::modern::key::{canonical, digest};
use mcpvisor_actors::message::Fields;

/// What a request says of itself in the modern era, and the handshake has said in the other.
const OF_THE_ERA: [&str; 4] = [
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/logLevel",
];

/// The request as a client of the legacy era would send it: without what is between the client and us. Servers have been seen
/// to refuse a session's requests that name another revision than the session.
pub(super) fn in_legacy_words(message: Envelope) -> Envelope {
    let Some(params) = message.params() else { return message };
    let Some(mut fields) = Fields::parse(params) else { return message };
    fields.remove("inputResponses");
    fields.remove("requestState");
    if let Some(mut meta) = fields.get("_meta").and_then(|meta| Fields::parse(meta.as_bytes())) {
        for key in OF_THE_ERA {
            meta.remove(key);
        }
        let meta = meta.to_string();
        if meta == "{}" {
            fields.remove("_meta");
        } else {
            fields.set("_meta", meta);
        }
    }
    let stripped = message.with_part(params, fields.to_string().as_bytes());
    let credentials = message.credentials().cloned();
    Envelope::parse(stripped).map_or(message, |stripped| stripped.with_credentials(credentials))
}

/// Names a request but for what may differ the next time.
pub(super) fn request_digest(method: &str, params: &[u8]) -> String {
    let mut params: Value = serde_json::from_slice(params).unwrap_or_default();
    if let Some(fields) = params.as_object_mut() {
        for key in ["_meta", "inputResponses", "requestState"] {
            fields.remove(key);
        }
    }
    digest(&[method.as_bytes(), b"\n", &canonical(&params)].concat())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_request_is_the_same_whatever_it_brings_along() {
        let one = request_digest(
            "tools/call",
            br#"{"name":"a","arguments":{"x":1,"y":2},"_meta":{"progressToken":1}}"#,
        );
        let other = request_digest(
            "tools/call",
            br#"{"arguments":{"y":2,"x":1},"requestState":"s","inputResponses":{},"name":"a"}"#,
        );
        assert_eq!(one, other);
        assert_ne!(one, request_digest("tools/call", br#"{"name":"b","arguments":{"x":1,"y":2}}"#));
        assert_ne!(one, request_digest("prompts/get", br#"{"name":"a","arguments":{"x":1,"y":2}}"#));
    }

    #[test]
    fn the_backend_sees_a_request_of_its_own_era() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n":1.50,"requestState":"s","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7},"inputResponses":{}}}"#;
        let message = Envelope::parse(Bytes::from_static(text.as_bytes())).unwrap();
        let expected = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n":1.50,"_meta":{"progressToken":7}}}"#;
        assert_eq!(in_legacy_words(message).bytes(), expected);
    }
}
