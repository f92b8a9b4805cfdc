//! What the client is told when the service does not answer it. Pure.

use bytes::Bytes;
use mcpvisor_actors::PostFailure;
use mcpvisor_actors::message::{self, Envelope, Kind};
use serde_json::json;

/// The service was lost while it had the request.
const LOST: i32 = -31001;
/// The service could not be reached.
const UNREACHABLE: i32 = -31002;
/// JSON-RPC: the bytes are no JSON.
const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: no request that the protocol knows.
const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC: something failed on the way.
const INTERNAL_ERROR: i32 = -32603;

/// The line is no message.
pub(super) fn unreadable(why: &str) -> Bytes {
    message::error(None, PARSE_ERROR, why, None)
}

/// A request that cannot be one.
pub(super) fn invalid(id: &[u8], why: &str) -> Bytes {
    message::error(Some(id), INVALID_REQUEST, why, None)
}

/// The request never reached a service.
pub(super) fn unreachable(id: &[u8], name: &str, cause: &str) -> Bytes {
    let data = json!({ "backend": name, "reason": "unreachable", "retryable": true });
    message::error(Some(id), UNREACHABLE, &format!("mcpvisor is not reached: {cause}"), Some(&data))
}

/// It was with the service when that was lost.
pub(super) fn lost(id: &[u8], name: &str, cause: &str) -> Bytes {
    let data = json!({ "backend": name, "reason": "http_connect", "retryable": false });
    let text = format!("mcpvisor was lost while it had the request: {cause}");
    message::error(Some(id), LOST, &text, Some(&data))
}

/// The POST has failed for good.
pub(super) fn failed(id: &[u8], name: &str, failure: &PostFailure) -> Bytes {
    match failure {
        PostFailure::NotSent { cause } => unreachable(id, name, cause),
        PostFailure::NoToken { error } => unreachable(id, name, &error.to_string()),
        PostFailure::Cut { cause } => lost(id, name, cause),
        PostFailure::Status { code, body, .. } => match own_words(body) {
            Some(error) => [br#"{"jsonrpc":"2.0","id":"#, id, br#","error":"#, &*error, b"}"].concat().into(),
            None => {
                let hint = if *code == 401 { format!("; {KEY_HINT}") } else { String::new() };
                message::error(Some(id), INTERNAL_ERROR, &format!("{failure}{hint}"), None)
            }
        },
        other => message::error(Some(id), INTERNAL_ERROR, &other.to_string(), None),
    }
}

/// What to do about a 401.
pub(super) const KEY_HINT: &str = "put one of the service's auth.keys into MCPVISOR_KEY";

/// The error that a refusal carries (raw JSON): what the server says beats what a status says.
fn own_words(body: &Bytes) -> Option<Bytes> {
    let message = Envelope::parse(body.clone()).ok().filter(|message| message.kind() == Kind::Error)?;
    message.body().map(Bytes::copy_from_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The user would read "HTTP status 404" where the service has named the backend that was meant.
    #[test]
    fn what_the_service_says_passes_with_the_clients_id() {
        let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"did you mean 'demo'?"}}"#;
        let status = |code, body: &'static str| PostFailure::Status {
            code,
            retry_after: None,
            challenge: None,
            body: Bytes::from_static(body.as_bytes()),
        };
        let told = failed(b"\"a\"", "dmeo", &status(404, body));
        assert_eq!(
            &told[..],
            br#"{"jsonrpc":"2.0","id":"a","error":{"code":-32602,"message":"did you mean 'demo'?"}}"#
        );
        let told = String::from_utf8(failed(b"1", "x", &status(401, "<html>")).to_vec()).unwrap();
        assert!(told.contains("401") && told.contains("MCPVISOR_KEY"), "{told}");
    }
}
