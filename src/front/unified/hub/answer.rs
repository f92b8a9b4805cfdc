//! Answers of our own. Pure.

use bytes::Bytes;
use mcpvisor_actors::{Exchange, Refusal};

/// JSON-RPC: there is no such method.
pub(super) const METHOD_NOT_FOUND: i32 = -32601;

/// A result (raw JSON) for the request with that id (raw JSON).
pub(super) fn result(id: &[u8], result: &str) -> Exchange {
    let answer = [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":"#, result.as_bytes(), b"}"].concat();
    Exchange::Answer(Ok(Bytes::from(answer)))
}

/// An error that the specification has a code for.
pub(super) fn wrong(code: i32, message: String) -> Exchange {
    Exchange::Answer(Err(Refusal::Invalid { code, message }))
}
