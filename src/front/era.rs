//! Which era a message belongs to. The one place that decides (`protocol.md`, "The way in").

use http::HeaderMap;
use mcpvisor_actors::MODERN_VERSION;
use mcpvisor_actors::message::Envelope;

use super::modern::meta::names_a_version;
use super::version::HEADER;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Up to 2025-11-25: `initialize`, then a session.
    Legacy,
    /// 2026-07-28: every message says for itself who asks.
    Modern,
}

/// The era of a message.
pub(crate) fn choose(headers: &HeaderMap, message: &Envelope) -> Era {
    let modern = match message.method() {
        // The first message of a legacy client, whatever a proxy has put before it.
        Some("initialize") => names_a_version(message),
        Some("server/discover") => true,
        _ => is_modern(headers) || names_a_version(message),
    };
    if modern { Era::Modern } else { Era::Legacy }
}

/// Whether the headers name a modern revision. Names of revisions are dates.
pub(crate) fn is_modern(headers: &HeaderMap) -> bool {
    headers
        .get(HEADER)
        .is_some_and(|value| is_date(value.as_bytes()) && value.as_bytes() >= MODERN_VERSION.as_bytes())
}

fn is_date(text: &[u8]) -> bool {
    text.len() == MODERN_VERSION.len() && text.first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn era(version: Option<&str>, message: &str) -> Era {
        let mut headers = HeaderMap::new();
        if let Some(version) = version {
            headers.insert(HEADER, version.parse().unwrap());
        }
        choose(&headers, &Envelope::parse(bytes::Bytes::copy_from_slice(message.as_bytes())).unwrap())
    }

    /// A client would be asked for a session that its era does not have, or the other way round.
    #[test]
    fn body_header_and_method_tell_the_era() {
        let plain = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
        let modern = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}}}"#;
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
        let discover = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#;
        let quoted = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"text":"io.modelcontextprotocol/protocolVersion"}}"#;
        for (version, message, expected) in [
            (None, plain, Era::Legacy),
            (Some("2025-11-25"), plain, Era::Legacy),
            (Some("2026-07-28"), plain, Era::Modern),
            (Some("2027-01-01"), plain, Era::Modern),
            (Some("DRAFT-2099"), plain, Era::Legacy),
            (None, modern, Era::Modern),
            (Some("2025-11-25"), modern, Era::Modern),
            (None, quoted, Era::Legacy),
            (None, discover, Era::Modern),
            (Some("2026-07-28"), initialize, Era::Legacy),
        ] {
            assert_eq!(era(version, message), expected, "{version:?} {message}");
        }
    }
}
