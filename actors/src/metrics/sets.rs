//! The closed sets of label values.

use super::spec::{Label, Values};
use crate::fault::FaultReason;
use crate::metadata::Phase;

const FAULTS: [&str; FaultReason::ALL.len()] = {
    let mut names = [""; FaultReason::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = FaultReason::ALL[at].as_str();
        at += 1;
    }
    names
};

/// Every fault, and the orders that restart too.
const RESTARTS: [&str; FAULTS.len() + 2] = {
    let mut names = [""; FAULTS.len() + 2];
    let mut at = 0;
    while at < FAULTS.len() {
        names[at] = FAULTS[at];
        at += 1;
    }
    names[at] = "manual";
    names[at + 1] = "reload";
    names
};

const PHASES: [&str; Phase::ALL.len()] = {
    let mut names = [""; Phase::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Phase::ALL[at].as_str();
        at += 1;
    }
    names
};

/// The methods of the specification; anything else is `_OTHER`, so that clients cannot make labels. The most frequent first.
pub const METHODS: &[&str] = &[
    "tools/call",
    "tools/list",
    "initialize",
    "server/discover",
    "subscriptions/listen",
    "ping",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tasks/cancel",
    OTHER,
];

/// Revisions of the protocol; the last is any other.
pub const VERSIONS: &[&str] = &["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", OTHER];

/// The names of our own errors (`contract.md`).
pub const KINDS: &[&str] = &[
    "backend_lost",
    "backend_unavailable",
    "timeout",
    "overloaded",
    "shutting_down",
    "launch_failed",
    "session_ended",
    "unauthorized",
];

/// How an operation failed; empty = it did not. Codes of JSON-RPC, then a tool's `isError`, then our own names.
pub const ERROR_TYPES: &[&str] = &[
    "",
    "-32700",
    "-32600",
    "-32601",
    "-32602",
    "-32603",
    "-32002",
    "-32020",
    "-32021",
    "-32022",
    "-32042",
    OTHER,
    "tool_error",
    "backend_lost",
    "backend_unavailable",
    "timeout",
    "overloaded",
    "shutting_down",
    "launch_failed",
    "session_ended",
    "unauthorized",
    "http_status",
    "cancelled",
    "invalid",
    "unknown_backend",
    "internal",
];

/// What no closed set has.
pub const OTHER: &str = "_OTHER";

pub(super) const PHASE: Label = Label::of("phase", &PHASES);
pub(super) const LAUNCH_RESULT: Label =
    Label::of("result", &["ok", "spawn_failed", "handshake_failed", "timeout", "cancelled"]);
pub(super) const FAULT: Label = Label::of("reason", &FAULTS);
pub(super) const RESTART: Label = Label::of("reason", &RESTARTS);
pub(super) const ABANDONED: Label =
    Label::of("reason", &["never_initialised", "drain", "delete", "evict", "superseded"]);
pub(super) const EXIT_KIND: Label = Label::of("kind", &["expected", "unexpected"]);
pub(super) const EXIT_REASON: Label = Label::of("reason", &["exit", "signal"]);
pub(super) const REPLAY_RESULT: Label = Label::of("result", &["ok", "partial", "failed"]);
pub(super) const RETRY_RESULT: Label = Label::of("result", &["ok", "failed"]);
pub(super) const SPARE_STATE: Label = Label::of("state", &["starting", "warm"]);
pub(super) const SPARE_RESULT: Label = Label::of("result", &["ok", "died"]);
pub(super) const DIRECTION: Label = Label::of("direction", &["to_backend", "to_client"]);
/// The method of an operation.
pub const METHOD: Label = Label::of("mcp_method_name", METHODS);
/// How an operation failed.
pub const ERROR_TYPE: Label = Label::of("error_type", ERROR_TYPES);
/// What an operation travelled on.
pub const TRANSPORT: Label = Label::of("network_transport", &["pipe", "tcp"]);
/// The revision in which it was said.
pub const VERSION: Label = Label::of("mcp_protocol_version", VERSIONS);
/// Which tool was called.
pub const TOOL: Label = Label { name: "gen_ai_tool_name", values: Values::Tools };
/// The actors that are counted and measured.
pub const ACTOR: Label =
    Label::of("actor", &["root", "registry", "supervisor", "connection", "session", "janitor"]);

/// The value of the label for a method.
pub fn method_label(method: &str) -> &'static str {
    METHODS.iter().find(|known| **known == method).unwrap_or(&OTHER)
}

/// The value of the label for a revision of the protocol.
pub fn version_label(version: &str) -> &'static str {
    VERSIONS.iter().find(|known| **known == version).unwrap_or(&OTHER)
}

/// The value of `error_type` for the code of a JSON-RPC error.
pub fn code_label(code: Option<i64>) -> &'static str {
    match code {
        Some(-32700) => "-32700",
        Some(-32600) => "-32600",
        Some(-32601) => "-32601",
        Some(-32602) => "-32602",
        Some(-32603) => "-32603",
        Some(-32002) => "-32002",
        Some(-32020) => "-32020",
        Some(-32021) => "-32021",
        Some(-32022) => "-32022",
        Some(-32042) => "-32042",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_make_labels() {
        assert_eq!(method_label("tools/call"), "tools/call");
        assert_eq!(method_label("tools/call2"), OTHER);
        assert_eq!(version_label("2025-11-25"), "2025-11-25");
        assert_eq!(version_label("tomorrow"), OTHER);
        assert_eq!(code_label(Some(-32601)), "-32601");
        assert_eq!(code_label(Some(7)), OTHER);
    }

    #[test]
    fn what_is_restarted_for_is_a_fault_or_an_order() {
        assert_eq!(RESTARTS[..FAULTS.len()], FAULTS);
        assert_eq!(RESTARTS[FAULTS.len()..], ["manual", "reload"]);
    }
}
