//! What a line of a backend is.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::message::Envelope;

/// What one line, or one event, turned out to be.
#[derive(Debug)]
pub enum Inbound {
    /// One message.
    One(Envelope),
    /// An old server's batch, taken apart.
    Many(Vec<Envelope>),
    /// A print, a JSON log line, a bare value: no JSON-RPC, harmless.
    Noise,
    /// It claims to be JSON-RPC and does not parse: an answer may be lost in it.
    Broken(String),
}

/// Reads what a backend wrote.
pub fn classify(line: Bytes) -> Inbound {
    if line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return split(&line);
    }
    match Envelope::parse(line.clone()) {
        Ok(message) => Inbound::One(message),
        Err(error) if claims_to_be_jsonrpc(&line) => Inbound::Broken(error.to_string()),
        Err(_) => Inbound::Noise,
    }
}

fn split(line: &Bytes) -> Inbound {
    let Ok(parts) = serde_json::from_slice::<Vec<&RawValue>>(line) else {
        let error = "a batch that does not parse".to_owned();
        return if claims_to_be_jsonrpc(line) { Inbound::Broken(error) } else { Inbound::Noise };
    };
    let parse = |part: &RawValue| Envelope::parse(line.slice_ref(part.get().as_bytes()));
    match parts.into_iter().map(parse).collect::<Result<Vec<_>, _>>() {
        Ok(messages) if !messages.is_empty() => Inbound::Many(messages),
        Err(error) if claims_to_be_jsonrpc(line) => Inbound::Broken(error.to_string()),
        _ => Inbound::Noise,
    }
}

fn claims_to_be_jsonrpc(line: &[u8]) -> bool {
    memchr::memmem::find(line, b"\"jsonrpc\"").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &'static str) -> Inbound {
        classify(Bytes::from_static(line.as_bytes()))
    }

    #[test]
    fn prints_and_json_logs_are_noise() {
        for line in ["Server listening", r#"{"level":"info","msg":"up"}"#, "42", "[]", "[1,2]", r#""x""#] {
            assert!(matches!(read(line), Inbound::Noise), "{line}");
        }
    }

    #[test]
    fn a_torn_message_is_a_fault() {
        for line in
            [r#"{"jsonrpc":"2.0","id":1,"resu"#, r#"{"jsonrpc":"2.0","id":1}"#, r#"[{"jsonrpc":"2.0""#]
        {
            assert!(matches!(read(line), Inbound::Broken(_)), "{line}");
        }
    }

    #[test]
    fn a_batch_is_taken_apart_in_order() {
        let line = r#" [{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","method":"a"}]"#;
        let Inbound::Many(messages) = read(line) else { panic!("a batch") };
        assert_eq!(messages[0].wire_id(), Some(1));
        assert_eq!(messages[1].method(), Some("a"));
    }
}
