//! What is called, in which era, and the check of what comes back.

use std::fmt::Write;
use std::sync::LazyLock;

use anyhow::{Context, ensure};
use memchr::memmem;

use super::message::check;

/// The revision without a handshake.
pub(crate) const MODERN_VERSION: &str = "2026-07-28";
/// The longest text asked for.
const LONGEST: usize = 1 << 20;
/// What every modern request says of its client.
const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"0"},"io.modelcontextprotocol/clientCapabilities":{}"#;

static BLOB: LazyLock<Vec<u8>> = LazyLock::new(|| b"b".repeat(LONGEST));

/// Which generation of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2025-11-25: a handshake and a session.
    Legacy,
    /// 2026-07-28: neither.
    Modern,
}

/// A tool of the bench servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Says back a text of its own for each call.
    Echo,
    /// A text of so many bytes, at most a MiB.
    Blob(usize),
    /// Reports progress so often, then does what echo does.
    Steps(usize),
}

impl Tool {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Blob(_) => "blob",
            Self::Steps(_) => "steps",
        }
    }

    /// Messages that precede the result.
    pub(crate) fn messages_before(self) -> usize {
        if let Self::Steps(steps) = self { steps } else { 0 }
    }

    /// Writes a call over `into`. Each has a text, or a token, of its own, so that no answer can be mistaken.
    pub(crate) fn write_call(self, era: Era, into: &mut String, id: u64) {
        into.clear();
        let name = self.name();
        let _ = write!(
            into,
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":"#
        );
        let _ = match self {
            Self::Echo => write!(into, r#"{{"message":"message {id}"}}"#),
            Self::Blob(bytes) => write!(into, r#"{{"bytes":{bytes}}}"#),
            Self::Steps(steps) => write!(into, r#"{{"steps":{steps},"message":"message {id}"}}"#),
        };
        let token = matches!(self, Self::Steps(_)).then(|| format!(r#""progressToken":{id}"#));
        let meta = (era == Era::Modern).then_some(META);
        let members: Vec<&str> = token.as_deref().into_iter().chain(meta).collect();
        if !members.is_empty() {
            let _ = write!(into, r#","_meta":{{{}}}"#, members.join(","));
        }
        into.push_str("}}");
    }

    /// Checks that `answer` is the right one to the call.
    pub(crate) fn check(self, answer: &[u8], id: u64) -> anyhow::Result<()> {
        let Self::Blob(bytes) = self else { return check(answer, id) };
        // A MiB of text is compared, not parsed: the client must not be what is measured.
        let begin = memmem::find(answer, br#""text":""#).context("an answer without a text")? + 8;
        let text = answer.get(begin..begin + bytes).context("an answer that is too short")?;
        ensure!(text == &BLOB[..bytes], "call {id} was answered with another text");
        let number = id.to_string();
        let around = [&answer[..begin], b"message ", number.as_bytes(), &answer[begin + bytes..]];
        check(&around.concat(), id)
    }

    /// Checks what came before the answer to that call, in any framing.
    pub(crate) fn check_before(self, stream: &[u8], id: u64) -> anyhow::Result<()> {
        let Self::Steps(steps) = self else { return Ok(()) };
        let token = format!(r#""progressToken":{id}"#);
        let found = memmem::find_iter(stream, token.as_bytes()).count();
        ensure!(found == steps, "call {id}: {found} reports of progress instead of {steps}");
        Ok(())
    }
}
