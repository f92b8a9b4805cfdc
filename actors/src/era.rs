//! The eras of the protocol (`versioning`, "Terminology"): with a handshake and sessions, or without.

use bytes::Bytes;
use mcpvisor_config::Backend;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::message;

/// The revision that is spoken without a handshake.
pub const MODERN_VERSION: &str = "2026-07-28";
/// The code of an error: headers say something else than the body.
pub(crate) const HEADER_MISMATCH: i64 = -32020;

/// What such a server may answer a request of a revision it does not speak, or with headers that do not fit.
const MODERN_ERRORS: [i64; 3] = [HEADER_MISMATCH, -32021, -32022];

/// How an incarnation is spoken to, from its first byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Era {
    /// Up to 2025-11-25: `initialize`, then a session.
    #[default]
    Legacy,
    /// 2026-07-28: every request says for itself who asks.
    Modern,
}

impl Era {
    /// Fit for a log line or a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    /// The request that a connection begins with.
    pub(crate) const fn opening(self) -> &'static str {
        match self {
            Self::Legacy => "initialize",
            Self::Modern => "server/discover",
        }
    }
}

/// `server/discover` as mcpvisor sends it for itself: to learn what a backend speaks, and whether it lives.
pub(crate) fn discover(id: &Value, backend: &Backend) -> Bytes {
    let profile = &backend.client_profile;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": { "name": profile.name, "version": profile.version },
        "io.modelcontextprotocol/clientCapabilities": profile.capabilities,
    });
    let request =
        json!({ "jsonrpc": "2.0", "id": id, "method": "server/discover", "params": { "_meta": meta } });
    request.to_string().into()
}

/// The greeting of a connection of the modern era: no client's own, since there no client greets.
pub fn greeting(backend: &Backend) -> Bytes {
    discover(&Value::from(0), backend)
}

/// Whether the answer to `server/discover` is that of a modern server (`stdio`, "Backward Compatibility").
pub(crate) fn is_modern_answer(answer: &message::Envelope) -> bool {
    let body: Value = serde_json::from_slice(answer.body().unwrap_or_default()).unwrap_or_default();
    match answer.kind() {
        // A lenient server of the other era may answer anything with an empty result.
        message::Kind::Result => body["supportedVersions"].is_array(),
        message::Kind::Error => body["code"].as_i64().is_some_and(|code| MODERN_ERRORS.contains(&code)),
        message::Kind::Request | message::Kind::Notification => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Envelope;

    fn modern(body: &str) -> bool {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,{body}}}"#);
        is_modern_answer(&Envelope::parse(text.into()).unwrap())
    }

    /// A server would be spoken to in an era that it does not know, and answer nothing.
    #[test]
    fn only_a_result_or_an_error_of_that_era_tells_a_modern_server() {
        assert!(modern(r#""result":{"resultType":"complete","supportedVersions":["2026-07-28"]}"#));
        assert!(modern(r#""error":{"code":-32022,"message":"no","data":{"supported":["2027-01-01"]}}"#));
        assert!(!modern(r#""error":{"code":-32601,"message":"unknown method"}"#));
        assert!(!modern(r#""error":{"code":-32602,"message":"not initialized"}"#));
        assert!(!modern(r#""result":{}"#));
    }
}
