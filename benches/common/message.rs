//! What is said, and the check of what comes back.

use std::borrow::Cow;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// The revision spoken.
pub(crate) const VERSION: &str = "2025-11-25";
/// Tells the server that the handshake is over.
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[derive(Deserialize)]
struct Answer<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<ToolResult<'a>>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct ToolResult<'a> {
    #[serde(borrow)]
    content: Vec<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: serde_json::Value,
}

/// What an answer says.
pub(crate) enum Said {
    /// The text of a tool's result.
    Text(String),
    /// An error, with the reason that mcpvisor's own errors carry.
    Error { code: i64, reason: String },
}

/// The first request of a session; its id is 0.
pub(crate) fn initialize() -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{VERSION}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"0"}}}}}}"#
    )
}

/// Checks that `answer` is the one to a call of that id, and repeats the text that has the id in it.
pub(crate) fn check(answer: &[u8], id: u64) -> anyhow::Result<()> {
    let shown = || format!("call {id} was answered: {}", String::from_utf8_lossy(answer));
    let parsed: Answer<'_> = serde_json::from_slice(answer).with_context(shown)?;
    ensure!(parsed.id == Some(id), "{}", shown());
    let content = parsed.result.with_context(shown)?.content;
    let text = content.first().and_then(|content| content.text.strip_prefix("message "));
    ensure!(text.and_then(|number| number.parse().ok()) == Some(id), "{}", shown());
    Ok(())
}

/// The code of an error answer.
pub(crate) fn error_code(answer: &[u8]) -> Option<i64> {
    let parsed: Answer<'_> = serde_json::from_slice(answer).ok()?;
    Some(parsed.error?.code)
}

/// The message of an error answer.
pub(crate) fn error_message(answer: &[u8]) -> Option<String> {
    let parsed: Answer<'_> = serde_json::from_slice(answer).ok()?;
    Some(parsed.error?.message).filter(|message| !message.is_empty())
}

/// A call of any tool; `arguments` is JSON.
pub(crate) fn tool_call(id: u64, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

/// A request for the tools of the backend.
pub(crate) fn tool_list(id: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#)
}

/// What the answer to a [`tool_call`] says.
pub(crate) fn said(answer: &[u8], id: u64) -> anyhow::Result<Said> {
    let shown = || format!("call {id} was answered: {}", String::from_utf8_lossy(answer));
    let parsed: Answer<'_> = serde_json::from_slice(answer).with_context(shown)?;
    ensure!(parsed.id == Some(id), "{}", shown());
    if let Some(Failure { code, data, .. }) = parsed.error {
        return Ok(Said::Error { code, reason: data["reason"].as_str().unwrap_or_default().to_owned() });
    }
    let content = parsed.result.with_context(shown)?.content;
    let text = content.into_iter().next().with_context(shown)?.text;
    Ok(Said::Text(text.into_owned()))
}
