//! What a client is told once its backend has been replaced behind its back. Pure.

use bytes::Bytes;
use serde_json::json;

use super::capabilities::Capabilities;
use super::loss::Loss;
use crate::message::{self, LogLevel};

/// What has a list that clients keep.
const LISTS: [&str; 3] = ["tools", "prompts", "resources"];

/// The level of what is told.
const LEVEL: LogLevel = LogLevel::WARNING;

/// Notifications in the order in which they make sense: what happened, then what to look at again.
///
/// A client knows the *first* answer to `initialize` and no other, so that is what it is held to: the lifecycle of
/// the specification allows a session nothing that was not negotiated in it. A list is announced only where that
/// answer promised `listChanged`, since a client may be strict about notifications it was not promised, and only
/// if the backend still has it, since asking it again would be an error.
pub(super) struct Announcement {
    warning: Option<Bytes>,
    changed: Vec<Bytes>,
}

impl Announcement {
    /// `promised`: what the first answer declared; `now`: what the answer of the new incarnation does.
    pub(super) fn new(
        backend: &str,
        promised: &Capabilities,
        now: &Capabilities,
        loss: Option<&Loss>,
    ) -> Self {
        let warning = promised.has("logging").then(|| {
            let what = loss.map_or_else(|| "was restarted".to_owned(), Loss::to_string);
            let text = format!("backend '{backend}' {what}; what it kept in memory is lost");
            let params = json!({ "level": LEVEL.as_str(), "logger": "mcpvisor", "data": text });
            message::notification("notifications/message", Some(params))
        });
        let changed = LISTS.into_iter().filter(|list| promised.tells_of_changes(list) && now.has(list));
        let notify = |list| message::notification(&format!("notifications/{list}/list_changed"), None);
        Self { warning, changed: changed.map(notify).collect() }
    }

    /// For a client whose last `logging/setLevel` had these params. Without one, what is sent is the server's
    /// choice.
    pub(super) fn at_level(&self, level: Option<&[u8]>) -> impl Iterator<Item = &Bytes> {
        let wanted = LogLevel::in_params(level).is_none_or(|level| LEVEL >= level);
        self.warning.iter().filter(move |_| wanted).chain(&self.changed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::fault::{Fault, FaultReason};

    fn answer(capabilities: Value) -> Bytes {
        let result = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities });
        json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string().into_bytes().into()
    }

    fn everything() -> Value {
        let listed = json!({ "listChanged": true });
        json!({ "tools": listed, "prompts": listed, "resources": listed, "logging": {} })
    }

    fn announced(first: Value, now: Value, level: Option<&str>, loss: Option<&Loss>) -> Vec<Value> {
        let (promised, now) = (Capabilities::of(&answer(first)), Capabilities::of(&answer(now)));
        let level = level.map(|level| json!({ "level": level }).to_string());
        let announcement = Announcement::new("b", &promised, &now, loss);
        let messages = announcement.at_level(level.as_deref().map(str::as_bytes));
        messages.map(|message| serde_json::from_slice(message).unwrap()).collect()
    }

    fn methods(messages: &[Value]) -> Vec<String> {
        let method = |message: &Value| message["method"].as_str().unwrap().replace("notifications/", "");
        messages.iter().map(method).collect()
    }

    /// A client would go on with what it believes the server remembers.
    #[test]
    fn a_client_is_told_what_happened_and_then_what_may_have_changed() {
        let fault = Fault::new(FaultReason::Signal, "signal 9 (SIGKILL)");
        let told = announced(everything(), everything(), None, Some(&Loss::Fault(Arc::new(fault))));
        let expected = ["message", "tools/list_changed", "prompts/list_changed", "resources/list_changed"];
        assert_eq!(methods(&told), expected);
        let params = json!({
            "level": "warning", "logger": "mcpvisor",
            "data": "backend 'b' was restarted (signal: signal 9 (SIGKILL)); what it kept in memory is lost",
        });
        assert_eq!(told[0]["params"], params);
        assert!(told[1].get("params").is_none(), "{}", told[1]);
    }

    #[test]
    fn every_way_to_lose_the_memory_reads_as_a_sentence() {
        let text = |loss: Option<&Loss>| {
            announced(everything(), everything(), None, loss)[0]["params"]["data"].clone()
        };
        let expected = [
            (None, "was restarted"),
            (Some(Loss::Idle), "was closed because nobody used it, and started again"),
            (Some(Loss::Limit), "was stopped after too many errors, and started again"),
            (Some(Loss::Restart), "was restarted by hand"),
            (Some(Loss::Reload), "was replaced, since its configuration has changed"),
            (Some(Loss::Stop), "was stopped by an operator, and started again"),
            (Some(Loss::Upstream), "no longer knew the session, and was given a new one"),
        ];
        for (loss, what) in expected {
            assert_eq!(text(loss.as_ref()), format!("backend 'b' {what}; what it kept in memory is lost"));
        }
    }

    /// A client that is strict about what was negotiated would drop the session.
    #[test]
    fn a_list_is_announced_only_as_far_as_it_was_promised_and_still_exists() {
        let first =
            json!({ "tools": {}, "prompts": { "listChanged": true }, "resources": { "listChanged": true } });
        let now = json!({ "tools": { "listChanged": true }, "prompts": {}, "logging": {} });
        assert_eq!(methods(&announced(first, now, None, None)), ["prompts/list_changed"]);
        assert_eq!(announced(json!({}), everything(), None, None), [Value::Null; 0]);
    }

    #[test]
    fn the_level_that_the_client_has_set_decides_on_the_warning() {
        let told = |level| !announced(json!({ "logging": {} }), json!({}), Some(level), None).is_empty();
        assert!(["debug", "info", "notice", "warning"].into_iter().all(told));
        assert!(!["error", "critical", "alert", "emergency"].into_iter().any(told));
        let first = json!({ "tools": { "listChanged": true } });
        let without = announced(first, json!({ "tools": {}, "logging": {} }), None, None);
        assert_eq!(methods(&without), ["tools/list_changed"], "logging was not negotiated");
    }
}
