//! What a modern request is held to before anybody works for it, in the order of `protocol.md`. Pure.

use http::{HeaderMap, HeaderName, StatusCode};
use mcpvisor_actors::MODERN_VERSION;
use mcpvisor_actors::message::Envelope;
use serde_json::{Value, json};

use super::meta::Meta;
use super::mirrored::decoded;
use crate::front::rejection::Rejection;
use crate::front::version::HEADER;

/// The revisions that are served, the newest first.
pub(crate) const SUPPORTED: [&str; 4] = [MODERN_VERSION, "2025-11-25", "2025-06-18", "2025-03-26"];

/// A header is missing, or says something else than the body.
pub(crate) const HEADER_MISMATCH: i32 = -32020;
/// The client has not declared what the answer would take.
pub(crate) const MISSING_CAPABILITY: i32 = -32021;
/// The revision is not served.
pub(crate) const UNSUPPORTED_VERSION: i32 = -32022;
/// JSON-RPC: there is no such method.
pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC: the params are wrong.
pub(crate) const INVALID_PARAMS: i32 = -32602;

/// What the era no longer has; everything else is the backend's to know.
const REMOVED: [&str; 6] = [
    "initialize",
    "notifications/initialized",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
];

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Why a request goes no further.
#[derive(Debug, PartialEq)]
pub(crate) struct Wrong {
    pub(crate) status: StatusCode,
    pub(crate) code: i32,
    pub(crate) text: String,
    pub(crate) data: Option<Value>,
}

impl Wrong {
    fn new(code: i32, text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, text: text.into(), data: None }
    }

    /// A header that says something else than the body.
    pub(crate) fn mismatch(text: String) -> Self {
        Self::new(HEADER_MISMATCH, text)
    }

    /// The answer to the request with that id.
    pub(crate) fn reject(&self, id: Option<&[u8]>) -> Rejection {
        Rejection::protocol(id, self.status, self.code, &self.text, self.data.as_ref())
    }
}

/// The first thing that is wrong.
pub(crate) fn check(headers: &HeaderMap, message: &Envelope, meta: &Meta) -> Result<(), Wrong> {
    check_version_header(headers, meta)?;
    check_meta(meta)?;
    check_mirrors(headers, message, meta)?;
    match message.method() {
        Some(method) if REMOVED.contains(&method) => Err(Wrong {
            status: StatusCode::NOT_FOUND,
            ..Wrong::new(METHOD_NOT_FOUND, format!("there is no {method} in {MODERN_VERSION}"))
        }),
        _ => Ok(()),
    }
}

fn check_version_header(headers: &HeaderMap, meta: &Meta) -> Result<(), Wrong> {
    let header = headers.get(HEADER).map(|value| value.as_bytes().trim_ascii());
    match (header, &meta.version) {
        (None, Some(version)) => {
            let text = format!("the header MCP-Protocol-Version is missing: send {version}, as in _meta");
            Err(Wrong::new(HEADER_MISMATCH, text))
        }
        (Some(header), Some(version)) if header != version.as_bytes() => {
            let header = String::from_utf8_lossy(header);
            let text = format!("MCP-Protocol-Version is '{header}', but _meta says '{version}'");
            Err(Wrong::new(HEADER_MISMATCH, text))
        }
        _ => Ok(()),
    }
}

fn check_meta(meta: &Meta) -> Result<(), Wrong> {
    let missing = |key: &str| {
        let text =
            format!("params._meta[\"io.modelcontextprotocol/{key}\"] is missing or has the wrong type");
        Wrong::new(INVALID_PARAMS, text)
    };
    let version = meta.version.as_deref().ok_or_else(|| missing("protocolVersion"))?;
    if meta.capabilities.is_none() {
        return Err(missing("clientCapabilities"));
    }
    if version != MODERN_VERSION {
        let data = json!({ "supported": SUPPORTED, "requested": version });
        let text = format!("unsupported protocol version '{version}'");
        return Err(Wrong { data: Some(data), ..Wrong::new(UNSUPPORTED_VERSION, text) });
    }
    Ok(())
}

fn check_mirrors(headers: &HeaderMap, message: &Envelope, meta: &Meta) -> Result<(), Wrong> {
    check_mirror(headers, &METHOD, message.method().unwrap_or_default())?;
    match &meta.name {
        Some(name) => check_mirror(headers, &NAME, name),
        None => Ok(()),
    }
}

fn check_mirror(headers: &HeaderMap, header: &HeaderName, expected: &str) -> Result<(), Wrong> {
    let Some(value) = headers.get(header) else {
        return Err(Wrong::new(
            HEADER_MISMATCH,
            format!("the header {header} is missing: send {expected:?}"),
        ));
    };
    match decoded(value) {
        Some(value) if value == expected => Ok(()),
        Some(value) => {
            let text = format!("the header {header} is {value:?}, but the body says {expected:?}");
            Err(Wrong::new(HEADER_MISMATCH, text))
        }
        None => Err(Wrong::new(HEADER_MISMATCH, format!("the header {header} is not valid text or base64"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    fn outcome(headers: &[(&str, &str)], method: &str, params: &str) -> Result<(), (u16, i32)> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
        let message = Envelope::parse(text.into()).unwrap();
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let checked = check(&headers, &message, &Meta::of(&message));
        checked.map_err(|wrong| (wrong.status.as_u16(), wrong.code))
    }

    const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

    /// A client that is told the wrong thing first repairs the wrong thing.
    #[test]
    fn the_first_thing_wrong_is_told() {
        let call = format!(r#""name":"echo",{META}"#);
        let method = ("mcp-method", "tools/call");
        let good = [VERSION, method, ("mcp-name", "echo")];
        assert_eq!(outcome(&good, "tools/call", &call), Ok(()));
        assert_eq!(outcome(&[VERSION, ("mcp-method", "tools/list")], "tools/list", META), Ok(()));
        assert_eq!(outcome(&[method], "tools/call", &call), Err((400, -32020)), "no version header");
        assert_eq!(
            outcome(&[("mcp-protocol-version", "2025-11-25")], "tools/call", &call),
            Err((400, -32020))
        );
        assert_eq!(outcome(&[VERSION], "tools/call", r#""name":"echo""#), Err((400, -32602)), "no _meta");
        let without = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        assert_eq!(outcome(&[VERSION], "tools/list", without), Err((400, -32602)), "no capabilities");
        let old = META.replace("2026-07-28", "2025-11-25");
        let header = ("mcp-protocol-version", "2025-11-25");
        assert_eq!(outcome(&[header], "tools/list", &old), Err((400, -32022)), "a legacy version");
        assert_eq!(outcome(&[VERSION], "tools/list", META), Err((400, -32020)), "no method header");
        assert_eq!(outcome(&[VERSION, ("mcp-method", "tools/List")], "tools/list", META), Err((400, -32020)));
        assert_eq!(outcome(&[VERSION, method], "tools/call", &call), Err((400, -32020)), "no name header");
        assert_eq!(
            outcome(&[VERSION, method, ("mcp-name", "Echo")], "tools/call", &call),
            Err((400, -32020))
        );
        assert_eq!(outcome(&[VERSION, ("mcp-method", "ping")], "ping", META), Err((404, -32601)));
        assert_eq!(
            outcome(&[VERSION, ("mcp-method", "x/y")], "x/y", META),
            Ok(()),
            "the backend may know it"
        );
    }

    #[test]
    fn an_unsupported_version_is_told_what_is_supported() {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{}}}}}"#,
            META.replace("2026-07-28", "1900-01-01")
        );
        let message = Envelope::parse(text.into()).unwrap();
        let headers = [(HEADER.parse().unwrap(), "1900-01-01".parse().unwrap())].into_iter().collect();
        let wrong = check(&headers, &message, &Meta::of(&message)).unwrap_err();
        let data = json!({ "supported": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"], "requested": "1900-01-01" });
        assert_eq!((wrong.code, wrong.data), (UNSUPPORTED_VERSION, Some(data)));
    }
}
