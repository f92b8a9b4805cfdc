//! The envelope of a message, and what is spliced into it.

use bytes::Bytes;
use mcpvisor_actors::message::{
    self, Envelope, EnvelopeError, Fields, Kind, cancelled_request_id, client_id, progress_token,
    request_progress_token, result_subscription_id, subscription_id,
};
use mcpvisor_actors::{Inbound, MirroredTools, classify};
use serde_json::Value;

/// Reads it as a message and as a line of a server.
pub fn check(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let value = serde_json::from_slice::<Value>(data).ok();
    match Envelope::parse(bytes.clone()) {
        Ok(message) => {
            agrees(&message, value.as_ref());
            splices(&message);
            assert!(matches!(classify(bytes), Inbound::One(one) if one.bytes() == data));
        }
        Err(EnvelopeError::Syntax(error)) => {
            assert!(value.is_none(), "refused as no JSON: {error}");
            assert!(!matches!(classify(bytes), Inbound::One(_)));
        }
        Err(EnvelopeError::Shape(_)) => match classify(bytes) {
            Inbound::One(_) => panic!("refused, and taken from a server"),
            Inbound::Many(parts) => {
                let list = value.as_ref().and_then(Value::as_array);
                assert!(list.is_none_or(|list| list.len() == parts.len()));
                for (at, part) in parts.iter().enumerate() {
                    agrees(part, list.and_then(|list| list.get(at)));
                    splices(part);
                }
            }
            Inbound::Noise | Inbound::Broken(_) => {}
        },
    }
    let mut tools = MirroredTools::default();
    tools.learn(data);
}

/// serde_json reads the same in it. It refuses what is very deep or a very large number, which passes here.
fn agrees(message: &Envelope, value: Option<&Value>) {
    let raw = |raw: Option<&[u8]>| {
        raw.map(|raw| serde_json::from_slice::<Value>(raw).expect("a part of JSON is JSON"))
    };
    let Some(value) = value else { return };
    assert_eq!(value["jsonrpc"], "2.0");
    assert_eq!(
        value.get("method").map(|method| method.as_str().expect("a method is text")),
        message.method()
    );
    assert_eq!(value.get("id").cloned(), raw(message.id()));
    assert_eq!(value.get("params").cloned(), raw(message.params()));
    assert_eq!(value.get("result").or(value.get("error")).cloned(), raw(message.body()));
    let kind = match (value.get("method"), value.get("id"), value.get("result")) {
        (Some(_), Some(_), _) => Kind::Request,
        (Some(_), None, _) => Kind::Notification,
        (None, _, Some(_)) => Kind::Result,
        (None, _, None) => Kind::Error,
    };
    assert_eq!(message.kind(), kind);
    let code = value.get("error").and_then(|error| error.get("code")).and_then(Value::as_i64);
    // An error that names its code twice has none.
    assert!(message.error_code().is_none_or(|found| kind == Kind::Error && Some(found) == code));
    if let Some(id) = message.wire_id() {
        assert!(value["id"].as_u64() == Some(id));
    }
    if client_id(message).is_ok() {
        assert!(value["id"].is_string() || value["id"].is_number());
    }
    if let Some(fields) = message.params().and_then(Fields::parse) {
        let again = fields.to_string();
        assert_eq!(serde_json::from_str::<Value>(&again).ok(), value.get("params").cloned());
        for (name, _) in fields.iter() {
            let last = fields.get(name).and_then(|raw| serde_json::from_str::<Value>(raw).ok());
            assert_eq!(last.as_ref(), value["params"].get(name));
        }
    }
}

/// What is put in is there, and all else is as it was.
fn splices(message: &Envelope) {
    let reread = |bytes: Bytes| Envelope::parse(bytes).expect("what was spliced is a message");
    if let Some(id) = message.id() {
        assert_eq!(message.with_id(id), message.bytes());
        for other in [&b"7"[..], br#""x\ny""#, b"null"] {
            let spliced = message.with_id(other);
            let again = reread(spliced.clone());
            assert_eq!(again.id(), Some(other));
            same_but_id(message, &again);
            assert_eq!(again.with_id(id), message.bytes());
            assert_eq!(spliced.len() + id.len(), message.bytes().len() + other.len());
        }
    }
    let parts = [
        request_progress_token(message),
        progress_token(message),
        cancelled_request_id(message),
        subscription_id(message),
    ];
    for part in parts.into_iter().flatten() {
        assert_eq!(message.with_part(part, part), message.bytes());
        let again = reread(message.with_part(part, b"[8]"));
        assert_eq!(
            (again.id(), again.method(), again.kind()),
            (message.id(), message.method(), message.kind())
        );
        if let Some(id) = message.id() {
            assert_eq!(message.with_id_and(id, part, part), message.bytes());
            let both = reread(message.with_id_and(b"9", part, b"[8]"));
            assert_eq!((both.id(), both.params()), (Some(&b"9"[..]), again.params()));
        }
    }
    if let Some(token) = request_progress_token(message) {
        let again = reread(message.with_part(token, b"\"t\""));
        assert_eq!(request_progress_token(&again), Some(&b"\"t\""[..]));
    }
    let _ = result_subscription_id(message);
    if let Some(id) = message.id() {
        for answer in [
            message::error(Some(id), -1, "no", None),
            message::result(id, b"{}"),
            message::subscription_ended(id),
        ] {
            let answer = reread(answer);
            assert!(answer.is_answer() && answer.id() == Some(id));
        }
    }
}

fn same_but_id(one: &Envelope, other: &Envelope) {
    assert_eq!(
        (one.kind(), one.method(), one.params(), one.body()),
        (other.kind(), other.method(), other.params(), other.body())
    );
}
