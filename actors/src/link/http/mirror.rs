//! What of a message its HTTP headers repeat (2026-07-28, "Streamable HTTP", "Request Metadata"). Pure.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use crate::era::MODERN_VERSION;
use crate::message::{Envelope, NameField};
use crate::mirrored::{KnownTools, Mirrored};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
    uri: Option<String>,
    #[serde(rename = "taskId")]
    task_id: Option<String>,
}

/// The headers of one message. `known`: of the tools whose arguments have headers of their own.
pub(super) fn headers(frame: &Bytes, known: Option<&dyn KnownTools>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static(MODERN_VERSION));
    let Ok(message) = Envelope::parse(frame.clone()) else { return headers };
    let Some(method) = message.method() else { return headers };
    if let Ok(value) = HeaderValue::from_str(&encoded(method)) {
        headers.insert(METHOD, value);
    }
    let named = message.params().and_then(|params| serde_json::from_slice::<Named>(params).ok());
    let name = named.and_then(|named| match NameField::of(method)? {
        NameField::Name => named.name,
        NameField::Uri => named.uri,
        NameField::TaskId => named.task_id,
    });
    if let Some(value) = name.and_then(|name| HeaderValue::from_str(&encoded(&name)).ok()) {
        headers.insert(NAME, value);
    }
    if method == "tools/call"
        && let Some(known) = known
    {
        repeat_arguments(&mut headers, message.params().unwrap_or_default(), known);
    }
    headers
}

fn repeat_arguments(headers: &mut HeaderMap, params: &[u8], known: &dyn KnownTools) {
    let params: Value = serde_json::from_slice(params).unwrap_or_default();
    let mirrored = params["name"].as_str().and_then(|tool| known.mirrored(tool)).unwrap_or_default();
    for Mirrored { name, path } in mirrored.iter() {
        let value = match path.iter().fold(&params["arguments"], |value, key| &value[key.as_str()]) {
            Value::String(text) => text.clone(),
            value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
            _ => continue,
        };
        let name = HeaderName::try_from(format!("mcp-param-{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&encoded(&value))) {
            headers.insert(name, value);
        }
    }
}

/// A value as a header can carry it: as it is, or in base64 with a mark around it.
pub(super) fn encoded(value: &str) -> Cow<'_, str> {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && value.trim() == value
        && !value.starts_with("=?");
    if plain { Cow::Borrowed(value) } else { Cow::Owned(format!("=?base64?{}?=", STANDARD.encode(value))) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mirrored::{Dropped, MirroredTools};

    struct Known(Arc<[Mirrored]>);

    impl KnownTools for Known {
        fn mirrored(&self, _: &str) -> Option<Arc<[Mirrored]>> {
            Some(self.0.clone())
        }

        fn renew(&self, _: MirroredTools) {}

        fn dropped(&self, _: &[Dropped]) {}
    }

    fn of(message: &str) -> HeaderMap {
        headers(&Bytes::copy_from_slice(message.as_bytes()), None)
    }

    /// A server that checks them would refuse every request.
    #[test]
    fn headers_repeat_method_and_name() {
        let call = of(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get weather"}}"#);
        assert_eq!(call[VERSION], "2026-07-28");
        assert_eq!(call[METHOD], "tools/call");
        assert_eq!(call[NAME], "get weather");
        let read = of(r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///ä"}}"#);
        assert_eq!(read[NAME], "=?base64?ZmlsZTovLy/DpA==?=");
        assert!(!of(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).contains_key(NAME));
    }

    #[test]
    fn arguments_that_have_a_header_are_repeated_in_it() {
        let region = Mirrored { name: "Region".to_owned(), path: vec!["at".to_owned(), "region".to_owned()] };
        let flag = Mirrored { name: "Flag".to_owned(), path: vec!["flag".to_owned()] };
        let known = Known(Arc::from([region, flag]));
        let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"at":{"region":" w"},"flag":null}}}"#;
        let headers = headers(&Bytes::from_static(call), Some(&known));
        assert_eq!(headers["mcp-param-region"], "=?base64?IHc=?=");
        assert!(!headers.contains_key("mcp-param-flag"));
    }

    #[test]
    fn what_a_header_cannot_carry_is_encoded() {
        assert_eq!(encoded("plain"), "plain");
        for value in [" x", "x ", "a\nb", "=?base64?x?=", "日本"] {
            let text = encoded(value).into_owned();
            let inner = text.strip_prefix("=?base64?").and_then(|text| text.strip_suffix("?=")).unwrap();
            assert_eq!(STANDARD.decode(inner).unwrap(), value.as_bytes());
        }
    }
}
