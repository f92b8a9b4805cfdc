//! What is sealed for a client to carry: whoever changes it, or brings what was made elsewhere, gets nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use mcpvisor::fuzzing::{Sealed, bound, open_cursor, open_state, seal_cursor, seal_state, unbound};

use mcpvisor_actors::message::Envelope;
use serde_json::Value;

/// What a server of the clients' own era wants to have back.
fn theirs(data: &[u8], text: &str) {
    let mine = ["a", "alice"];
    let other = bound("key", mine, Bytes::copy_from_slice(data)).expect("a seal");
    assert_eq!(Envelope::parse(other).is_ok(), Envelope::parse(Bytes::copy_from_slice(data)).is_ok());
    let state = Value::from(text).to_string();
    let answer =
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"a":1.50,"requestState":{state},"b":[ ]}}}}"#);
    let told = bound("key", mine, answer.into()).expect("a seal");
    let result: Value = serde_json::from_slice(&told).expect("JSON");
    let sealed = result["result"]["requestState"].to_string();
    assert_eq!(
        (&result["result"]["a"], result["result"]["b"].as_array().map(Vec::len)),
        (&Value::from(1.5), Some(0))
    );
    assert!(text.len() < 8 || !sealed.contains(text), "it can be read");
    let request = |state: &str| {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"n","requestState":{state}}}}}"#
        );
        Envelope::parse(text.into()).expect("a request")
    };
    let asked = request(&sealed);
    let open = |key: &str, whose: [&str; 2]| unbound(key, whose, &asked, sealed.as_bytes());
    assert_eq!(open("key", mine).expect("her own").bytes(), request(&state).bytes());
    assert_eq!(open("key", ["a", "bob"]).err(), Some(true));
    assert_eq!(open("key", ["b", "alice"]).err(), Some(false));
    assert_eq!(open("another key", mine).err(), Some(false));
    assert_eq!(open_state("key", sealed.trim_matches('"')), None, "their state for one of ours");
    assert!(unbound("key", mine, &asked, data).is_err(), "made up");
}

/// The first bytes say where it is changed, the rest is what is sealed, and what is taken for something sealed.
pub fn check(data: &[u8]) {
    let [at, bit, data @ ..] = data else { return };
    let text = String::from_utf8_lossy(data);
    for foreign in [text.clone().into_owned(), URL_SAFE_NO_PAD.encode(data), format!("{text}==")] {
        assert_eq!(open_state("key", &foreign), None, "made up");
    }
    theirs(data, &text);
    let third = |part: usize| -> String { text.chars().skip(part).step_by(3).collect() };
    let words: Sealed = [third(0), third(1), third(2)];
    let Some(sealed) = seal_state("key", words.clone()) else { return };
    assert_eq!(open_state("key", &sealed), Some(words.clone()));
    assert_eq!(open_state("another key", &sealed), None);
    assert_eq!(open_state("", &sealed), None, "a random key");
    assert!(!open_cursor("key", &sealed, &words), "a state for a cursor");
    let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("it was encoded");
    let length = bytes.len();
    bytes[usize::from(*at) % length] ^= 1 << (bit % 8);
    assert_eq!(open_state("key", &URL_SAFE_NO_PAD.encode(&bytes)), None, "changed");
    let letter = usize::from(*at) % sealed.len();
    let other = char::from(*bit);
    if !sealed[letter..].starts_with(other) {
        let changed = format!("{}{other}{}", &sealed[..letter], &sealed[letter + 1..]);
        assert_eq!(open_state("key", &changed), None, "another letter");
    }
    assert_eq!(open_state("key", &sealed[..letter]), None, "cut");
    assert_eq!(open_state("key", &format!("{sealed}{}", char::from(bit % 128))), None, "with more");

    let Some(cursor) = seal_cursor("key", words.clone()) else { return };
    assert!(open_cursor("key", &cursor, &words));
    assert!(!open_cursor("another key", &cursor, &words));
    assert_eq!(open_state("key", &cursor), None, "a cursor for a state");
    for part in 0..3 {
        let mut others = words.clone();
        others[part].push('x');
        assert!(!open_cursor("key", &cursor, &others), "somebody else's, or of another list");
    }
}
