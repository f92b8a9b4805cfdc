//! What is sealed for a client to carry: whoever changes it, or brings what was made elsewhere, gets nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcpvisor::fuzzing::{Sealed, open_cursor, open_state, seal_cursor, seal_state};

/// The first bytes say where it is changed, the rest is what is sealed, and what is taken for something sealed.
pub fn check(data: &[u8]) {
    let [at, bit, data @ ..] = data else { return };
    let text = String::from_utf8_lossy(data);
    for foreign in [text.clone().into_owned(), URL_SAFE_NO_PAD.encode(data), format!("{text}==")] {
        assert_eq!(open_state("key", &foreign), None, "made up");
    }
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
