//! Headers that repeat what the body says, so that proxies need not read it (2026-07-28, "Streamable HTTP", "Server
//! Validation"). Pure.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// What a header's value means; `None`: it is no value of the specification.
pub(crate) fn decoded(value: &HeaderValue) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?.trim_matches([' ', '\t']);
    let Some(inner) = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(text));
    };
    let bytes = STANDARD.decode(inner).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        decoded(&HeaderValue::from_bytes(text.as_bytes()).unwrap()).map(Cow::into_owned)
    }

    /// Two parties would read the same header differently, and one of them let through what the other refuses.
    #[test]
    fn values_are_literal_but_for_one_strict_form() {
        assert_eq!(of("  echo\t").as_deref(), Some("echo"));
        assert_eq!(of("=?base64?5pel5pys?=").as_deref(), Some("日本"));
        assert_eq!(of("=?base64??=").as_deref(), Some(""));
        for literal in ["=?BASE64?5pel5pys?=", "=?base64?5pel5pys", "x=?base64?5pel5pys?="] {
            assert_eq!(of(literal).as_deref(), Some(literal), "{literal}");
        }
        for wrong in [
            "=?base64?5pel5py?=",
            "=?base64?5pel5pys==?=",
            "=?base64?5pel-pys?=",
            "=?base64?/w==?=",
            "=?base64? 5pel5pys?=",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
