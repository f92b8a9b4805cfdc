//! Envelopes of messages, good and bad.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Envelope, EnvelopeError> {
    Envelope::parse(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn the_four_kinds_are_told_apart() {
    let kind = |text| parse(text).unwrap().kind();
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), Kind::Request);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","method":"x","params":{}}"#), Kind::Notification);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":"a","result":null}"#), Kind::Result);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#), Kind::Error);
}

#[test]
fn what_is_no_message_is_refused_with_its_reason() {
    assert!(matches!(parse("{"), Err(EnvelopeError::Syntax(_))));
    for text in [
        "[]",
        r#"["2.0",1,"x"]"#,
        "1",
        r#"{"id":1,"method":"x"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":3}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
    ] {
        assert!(matches!(parse(text), Err(EnvelopeError::Shape(_))), "{text}");
    }
}

#[test]
fn an_id_of_null_is_not_the_same_as_none() {
    assert_eq!(parse(r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#).unwrap().id(), Some(&b"null"[..]));
    assert_eq!(parse(r#"{"jsonrpc":"2.0","method":"x"}"#).unwrap().id(), None);
}

#[test]
fn a_method_with_escapes_is_read() {
    let message = parse(r#"{"jsonrpc":"2.0","id":1,"method":"tools\/list"}"#).unwrap();
    assert_eq!(message.method(), Some("tools/list"));
}

/// A copy of every method would be paid for with every message.
#[test]
fn a_method_without_escapes_is_not_copied() {
    let message = parse(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).unwrap();
    assert!(matches!(message.method, Some(Method::At(_))));
}

proptest! {
    /// A user would lose data if anything but the id changed on the way.
    #[test]
    fn splicing_changes_the_id_and_nothing_else(before in "[ \t]{0,3}", key in "\\PC{0,12}", number in any::<f64>(), id in any::<u64>(), new in any::<u64>()) {
        prop_assume!(number.is_finite());
        let key = serde_json::to_string(&key).unwrap();
        let head = format!("{{{before}\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{{{key}:{number:e}}},\"id\":{before}");
        let tail = format!("{before},\"extra\":[1.0,1e2,{key}]}}");
        let message = parse(&format!("{head}{id}{tail}")).unwrap();
        let spliced = message.with_id(new.to_string().as_bytes());
        let expected = format!("{head}{new}{tail}");
        prop_assert_eq!(&spliced[..], expected.as_bytes());
        let back = Envelope::parse(spliced).unwrap().with_id(id.to_string().as_bytes());
        prop_assert_eq!(&back, message.bytes());
    }

    /// Sessions that share a connection would get each other's progress, or lose data.
    #[test]
    fn id_and_token_change_together_and_nothing_else(id_first in any::<bool>(), id in any::<u64>(), token in "[a-z]{0,9}") {
        let whole = |id: &str, token: &str| {
            let id = format!("\"id\": {id}");
            let params = format!("\"params\":{{\"x\":1.50, \"_meta\":{{\"progressToken\":{token} }}}}");
            let (one, other) = if id_first { (id, params) } else { (params, id) };
            format!("{{\"jsonrpc\":\"2.0\",\"method\":\"m\", {one} , {other}}}")
        };
        let message = parse(&whole(&id.to_string(), &format!("\"{token}\""))).unwrap();
        let part = crate::message::request_progress_token(&message).unwrap();
        let changed = message.with_id_and(b"7", part, b"\"wire\"");
        let expected = whole("7", "\"wire\"");
        prop_assert_eq!(&changed[..], expected.as_bytes());
    }

    /// No input of a client or backend may bring the service down.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::parse(bytes.into());
    }
}

/// Whoever looks at the text would take it for something else than we do.
#[test]
fn a_method_of_null_is_no_method() {
    for text in [
        r#"{"jsonrpc":"2.0","method":null,"error":{"code":-1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null,"result":{}}"#,
    ] {
        assert!(matches!(Envelope::parse(Bytes::from(text)), Err(EnvelopeError::Shape(_))), "{text}");
    }
}
