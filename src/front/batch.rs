//! Batches: an array of messages, which only 2025-03-26 knows. The backend never sees one.

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{Envelope, EnvelopeError, Kind, client_id};
use serde_json::value::RawValue;

use super::body::{self, HttpResponse};
use super::exchange;
use super::inbound::Inbound;
use super::post::unparsable;
use super::rejection::Rejection;

/// Answers an array of messages.
pub(crate) async fn batch(inbound: Inbound<'_>, bytes: &Bytes) -> Result<HttpResponse, Rejection> {
    let messages = split(bytes)?;
    let session = inbound.session(None)?;
    if !session.version().has_batches() {
        let text = format!(
            "batches exist in 2025-03-26 only, and this session speaks {}: send one message per request",
            session.version_name()
        );
        return Err(Rejection::invalid(None, &text));
    }
    let (requests, others): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| message.kind() == Kind::Request);
    if !requests.is_empty() {
        inbound.check_draining(None)?;
    }
    // All of them, or none.
    let admit = |message: Envelope| {
        let held = inbound.admit(message.id())?;
        Ok((inbound.in_its_name(message), held))
    };
    let requests: Vec<_> = requests.into_iter().map(admit).collect::<Result<_, Rejection>>()?;
    // In the order they came, as far as order means anything: what is no request may belong to one.
    for message in others.into_iter().map(|message| inbound.in_its_name(message)) {
        if message.is_answer() {
            session.respond(message);
        } else {
            session.notify(message);
        }
    }
    if requests.is_empty() {
        return Ok(body::empty(StatusCode::ACCEPTED));
    }
    Ok(exchange::several(&session, requests).await)
}

/// The messages of an array, if all of them may be in one.
fn split(bytes: &Bytes) -> Result<Vec<Envelope>, Rejection> {
    let syntax = |error: serde_json::Error| unparsable(&EnvelopeError::Syntax(error.to_string()));
    let raw: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(syntax)?;
    if raw.is_empty() {
        return Err(Rejection::invalid(None, "an empty batch asks for nothing"));
    }
    let parse = |raw: &&RawValue| Envelope::parse(bytes.slice_ref(raw.get().as_bytes()));
    let messages: Vec<Envelope> =
        raw.iter().map(parse).collect::<Result<_, _>>().map_err(|error| unparsable(&error))?;
    for message in &messages {
        if message.method() == Some("initialize") {
            return Err(Rejection::invalid(None, "initialize must not be part of a batch"));
        }
        if message.kind() == Kind::Request {
            client_id(message).map_err(|error| Rejection::invalid(None, &error.to_string()))?;
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Option<usize> {
        split(&Bytes::copy_from_slice(text.as_bytes())).ok().map(|messages| messages.len())
    }

    #[test]
    fn a_batch_is_taken_apart_without_touching_its_messages() {
        let text = r#" [ {"jsonrpc":"2.0","id":1,"method":"ping" } , {"jsonrpc":"2.0","method":"n"}]"#;
        let messages = split(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
        assert_eq!(&messages[0].bytes()[..], br#"{"jsonrpc":"2.0","id":1,"method":"ping" }"#);
        assert_eq!(messages.len(), 2);
    }

    #[test]
    fn what_must_not_be_in_a_batch_is_refused() {
        for text in [
            "[]",
            "[1]",
            "[",
            r#"[[]]"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#,
            r#"[{"jsonrpc":"2.0","id":null,"method":"ping"}]"#,
        ] {
            assert_eq!(count(text), None, "{text}");
        }
    }
}
