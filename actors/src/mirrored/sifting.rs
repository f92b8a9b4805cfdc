//! One page of a tool list without the tools that ask for headers which cannot be. Pure.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{KEYWORD, annotation};
use crate::message::{Envelope, Kind};

/// A tool that clients are not told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its name.
    pub tool: String,
    /// What is wrong with its schema.
    pub why: String,
}

/// What is left of an answer to `tools/list`.
pub(crate) struct Sifted {
    pub(crate) message: Bytes,
    pub(crate) dropped: Vec<Dropped>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: &'a RawValue,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(default)]
    name: String,
    #[serde(borrow, rename = "inputSchema")]
    schema: Option<&'a RawValue>,
}

/// `None`: there is nothing to drop, which is the rule. Of the others every byte stays.
pub(crate) fn sifted(message: &Bytes) -> Option<Sifted> {
    memchr::memmem::find(message, KEYWORD)?;
    let envelope =
        Envelope::parse(message.clone()).ok().filter(|envelope| envelope.kind() == Kind::Result)?;
    let page: Page<'_> = serde_json::from_slice(envelope.body()?).ok()?;
    let tools: Vec<&RawValue> = serde_json::from_str(page.tools.get()).ok()?;
    let mut dropped = Vec::new();
    let mut kept = Vec::with_capacity(tools.len());
    for tool in tools {
        match flawed(tool) {
            Some(flawed) => dropped.push(flawed),
            None => kept.push(tool.get()),
        }
    }
    if dropped.is_empty() {
        return None;
    }
    let kept = format!("[{}]", kept.join(","));
    Some(Sifted { message: envelope.with_part(page.tools.get().as_bytes(), kept.as_bytes()), dropped })
}

fn flawed(raw: &RawValue) -> Option<Dropped> {
    memchr::memmem::find(raw.get().as_bytes(), KEYWORD)?;
    let tool: Tool<'_> = serde_json::from_str(raw.get()).ok()?;
    let schema = serde_json::from_str(tool.schema?.get()).ok()?;
    Some(Dropped { why: annotation::flaw(&schema)?, tool: tool.name })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One bad tool would cost its neighbours, or they would not arrive as their server wrote them.
    #[test]
    fn a_bad_tool_goes_and_the_rest_of_the_page_stays_byte_for_byte() {
        let good = r#"{ "name":"good","inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}, "n": 1.0}"#;
        let bad = r#"{"name":"bad","inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}}"#;
        let plain = r#"{"name":"plain","description":"x-mcp-header"}"#;
        let page = |tools: &str| {
            Bytes::from(format!(
                r#"{{"jsonrpc":"2.0","id":7, "result":{{"ttlMs":0, "tools":{tools},"nextCursor":"2"}}}}"#
            ))
        };
        let sifted_page = sifted(&page(&format!("[{bad}, {good} ,{plain}]"))).unwrap();
        assert_eq!(sifted_page.message, page(&format!("[{good},{plain}]")));
        assert_eq!(sifted_page.dropped.len(), 1);
        assert_eq!(sifted_page.dropped[0].tool, "bad");
        assert_eq!(sifted(&page(&format!("[{bad}]"))).unwrap().message, page("[]"));
        assert!(sifted(&page(&format!("[{good},{plain}]"))).is_none());
        assert!(sifted(&Bytes::from_static(b"x-mcp-header")).is_none());
    }
}
