//! Answers of our own. Pure.

use mcpvisor_actors::{Exchange, Refusal, message};

/// JSON-RPC: there is no such method.
pub(super) const METHOD_NOT_FOUND: i32 = -32601;

/// A result (raw JSON) for the request with that id (raw JSON).
pub(super) fn result(id: &[u8], result: &str) -> Exchange {
    Exchange::Answer(Ok(message::result(id, result.as_bytes())))
}

/// An error that the specification has a code for.
pub(super) fn wrong(code: i32, message: String) -> Exchange {
    Exchange::Answer(Err(Refusal::Invalid { code, message }))
}
