//! What a modern request says of itself: `params._meta`, and the params that headers repeat. Pure.

use bytes::Bytes;
use mcpvisor_actors::message::{Envelope, NameField};
use serde::Deserialize;
use serde_json::value::RawValue;

const VERSION: &[u8] = b"io.modelcontextprotocol/protocolVersion";

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, rename = "taskId")]
    task_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "inputResponses")]
    input_responses: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestState")]
    request_state: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawMeta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo")]
    client_info: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<&'a RawValue>,
}

/// One modern request, as far as mcpvisor has to understand it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Meta {
    /// `None`: missing, or no text.
    pub(crate) version: Option<String>,
    /// An object, raw JSON; `None`: missing, or none.
    pub(crate) capabilities: Option<Bytes>,
    /// Raw JSON.
    pub(crate) client_info: Option<Bytes>,
    /// Raw JSON.
    pub(crate) log_level: Option<Bytes>,
    /// What `Mcp-Name` repeats; `None`: the method has none, or it is no text.
    pub(crate) name: Option<String>,
    /// Raw JSON.
    pub(crate) input_responses: Option<Bytes>,
    /// Raw JSON.
    pub(crate) request_state: Option<Bytes>,
}

impl Meta {
    /// Reads a request. What is malformed is as good as missing.
    pub(crate) fn of(message: &Envelope) -> Self {
        let Some(params) = message.params() else { return Self::default() };
        let Ok(params) = serde_json::from_slice::<Params<'_>>(params) else { return Self::default() };
        let name = match message.method().and_then(NameField::of) {
            Some(NameField::Name) => params.name,
            Some(NameField::Uri) => params.uri,
            Some(NameField::TaskId) => params.task_id,
            None => None,
        };
        let meta = params.meta.and_then(|meta| serde_json::from_str::<RawMeta<'_>>(meta.get()).ok());
        let own = |raw: &RawValue| Bytes::copy_from_slice(raw.get().as_bytes());
        let mut read = Self {
            name: name.and_then(text),
            input_responses: params.input_responses.map(own),
            request_state: params.request_state.filter(|state| state.get() != "null").map(own),
            ..Self::default()
        };
        if let Some(meta) = meta {
            read.version = meta.version.and_then(text);
            read.capabilities = meta.capabilities.filter(|raw| raw.get().starts_with('{')).map(own);
            read.client_info = meta.client_info.map(own);
            read.log_level = meta.log_level.map(own);
        }
        read
    }
}

/// `params.name` of any message.
pub(crate) fn name_of(message: &Envelope) -> Option<String> {
    serde_json::from_slice::<Params<'_>>(message.params()?).ok()?.name.and_then(text)
}

/// Whether a message names its revision as modern ones do. Nearly free where it does not.
pub(crate) fn names_a_version(message: &Envelope) -> bool {
    let Some(params) = message.params() else { return false };
    if memchr::memmem::find(params, VERSION).is_none() {
        return false;
    }
    let Ok(Params { meta: Some(meta), .. }) = serde_json::from_slice::<Params<'_>>(params) else {
        return false;
    };
    serde_json::from_str::<RawMeta<'_>>(meta.get()).is_ok_and(|meta| meta.version.is_some())
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, params: &str) -> Meta {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        Meta::of(&Envelope::parse(text.into()).unwrap())
    }

    #[test]
    fn everything_is_read_byte_for_byte() {
        let meta = of(
            "tools/call",
            r#"{"name":"add","arguments":{"a":1.50},"inputResponses":{"r1":{"action":"accept"}},"requestState":"s","_meta":{
                "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{} },
                "io.modelcontextprotocol/clientInfo":{"name":"c"},"io.modelcontextprotocol/logLevel":"info"}}"#,
        );
        assert_eq!(meta.version.as_deref(), Some("2026-07-28"));
        assert_eq!(meta.capabilities.as_deref(), Some(&br#"{"sampling":{} }"#[..]));
        assert_eq!(meta.log_level.as_deref(), Some(&br#""info""#[..]));
        assert_eq!(meta.name.as_deref(), Some("add"));
        assert_eq!(meta.input_responses.as_deref(), Some(&br#"{"r1":{"action":"accept"}}"#[..]));
        assert_eq!(meta.request_state.as_deref(), Some(&br#""s""#[..]));
    }

    #[test]
    fn what_is_malformed_is_missing() {
        assert_eq!(of("tools/list", r#"{"_meta":7}"#), Meta::default());
        assert_eq!(of("tools/list", "[1]"), Meta::default());
        let meta = of(
            "tools/list",
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":7,"io.modelcontextprotocol/clientCapabilities":[]}}"#,
        );
        assert_eq!(meta, Meta::default());
        assert_eq!(
            of("resources/read", r#"{"uri":"file:///x","name":"n"}"#).name.as_deref(),
            Some("file:///x")
        );
        assert_eq!(of("tools/list", r#"{"name":"n"}"#).name, None);
    }
}
