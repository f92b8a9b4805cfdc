//! What goes with an answer: the status, which tells modern clients twice (2026-07-28, "Streamable HTTP"), and the revisions served.

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{Envelope, Fields};
use serde_json::json;

use super::checks::SUPPORTED;

/// Errors are short; nothing longer is looked at.
const LONGEST_ERROR: usize = 64 << 10;

/// Of an answer that nothing has preceded.
pub(crate) fn status(answer: &Bytes) -> StatusCode {
    match error_code(answer) {
        Some(-32601) => StatusCode::NOT_FOUND,
        Some(-32022..=-32020) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

/// The code of an error; `None`: it is a result.
pub(crate) fn error_code(answer: &Bytes) -> Option<i64> {
    // A result may well speak of an error; only then is it worth a closer look.
    if answer.len() > LONGEST_ERROR || memchr::memmem::find(answer, br#""error""#).is_none() {
        return None;
    }
    Envelope::parse(answer.clone()).ok()?.error_code()
}

/// The answer to `server/discover` with the revisions that clients are served in here, whatever the backend speaks.
pub(super) fn with_every_version(answer: &Bytes) -> Bytes {
    let Ok(message) = Envelope::parse(answer.clone()) else { return answer.clone() };
    let body = message.body().unwrap_or_default();
    match Fields::parse(body) {
        Some(mut fields) if fields.get("supportedVersions").is_some() => {
            fields.set("supportedVersions", json!(SUPPORTED).to_string());
            message.with_part(body, fields.to_string().as_bytes())
        }
        _ => answer.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_the_code() {
        let of = |body: &str| status(&format!(r#"{{"jsonrpc":"2.0","id":1,{body}}}"#).into()).as_u16();
        let error = |code: i32| format!(r#""error":{{"code":{code},"message":"x"}}"#);
        assert_eq!(of(&error(-32601)), 404);
        assert_eq!((of(&error(-32020)), of(&error(-32021)), of(&error(-32022))), (400, 400, 400));
        assert_eq!((of(&error(-32602)), of(&error(-31001))), (200, 200));
        assert_eq!(of(r#""result":{"error":{"code":-32601}}"#), 200);
    }
}
