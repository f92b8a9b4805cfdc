//! What a server declared in its answer to `initialize`. Pure.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::message::Envelope;

/// `capabilities` of an InitializeResult, whatever stands in it: what no SDK knows yet can be lost as well.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Capabilities(Value);

#[derive(Deserialize)]
struct InitializeResult {
    #[serde(default)]
    capabilities: Value,
}

impl Capabilities {
    /// Those of an answer to `initialize`. One that cannot be read declares nothing.
    pub(super) fn of(answer: &Bytes) -> Self {
        let result = Envelope::parse(answer.clone()).ok().and_then(|answer| {
            serde_json::from_slice::<InitializeResult>(answer.body().unwrap_or_default()).ok()
        });
        Self(result.map(|result| result.capabilities).unwrap_or_default())
    }

    /// Whether there is this one.
    pub(super) fn has(&self, name: &str) -> bool {
        is_declared(self.0.get(name))
    }

    /// Whether the server said that it tells of changes in its list of these.
    pub(super) fn tells_of_changes(&self, name: &str) -> bool {
        self.0.get(name).and_then(|capability| capability.get("listChanged")) == Some(&Value::Bool(true))
    }

    /// What is declared here and no longer in `now`, as sorted paths: `prompts`, `resources.subscribe`.
    pub(super) fn missing_in(&self, now: &Self) -> Vec<String> {
        let mut missing = Vec::new();
        compare(&self.0, Some(&now.0), "", &mut missing);
        missing.sort();
        missing
    }
}

/// `false` and `null` say the same as nothing.
fn is_declared(value: Option<&Value>) -> bool {
    !matches!(value, None | Some(Value::Null | Value::Bool(false)))
}

fn compare(before: &Value, now: Option<&Value>, path: &str, missing: &mut Vec<String>) {
    let Value::Object(fields) = before else { return };
    for (name, value) in fields.iter().filter(|(_, value)| is_declared(Some(value))) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match now.and_then(|now| now.get(name)) {
            now if is_declared(now) => compare(value, now, &path, missing),
            _ => missing.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(capabilities: Value) -> Capabilities {
        let result = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities });
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        Capabilities::of(&answer.to_string().into_bytes().into())
    }

    #[test]
    fn what_is_no_longer_declared_is_named() {
        let before = declared(json!({
            "tools": { "listChanged": true }, "resources": { "subscribe": true, "listChanged": false },
            "prompts": {}, "experimental": { "x": { "size": 5 } },
        }));
        let now = declared(json!({
            "tools": { "listChanged": false }, "resources": { "listChanged": true }, "prompts": null,
            "experimental": { "x": { "size": 6 } }, "logging": {},
        }));
        assert_eq!(before.missing_in(&now), ["prompts", "resources.subscribe", "tools.listChanged"]);
        assert_eq!(before.missing_in(&before), [""; 0]);
        assert_eq!(
            now.missing_in(&Capabilities::default()),
            ["experimental", "logging", "resources", "tools"]
        );
    }

    #[test]
    fn a_capability_is_there_whatever_it_holds_and_changes_are_told_only_if_said_so() {
        let some = declared(json!({ "tools": {}, "prompts": { "listChanged": true }, "logging": false }));
        assert!(some.has("tools") && some.has("prompts") && !some.has("logging") && !some.has("resources"));
        assert!(some.tells_of_changes("prompts") && !some.tells_of_changes("tools"));
    }

    #[test]
    fn an_answer_that_cannot_be_read_declares_nothing() {
        for answer in ["", "[]", r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#] {
            let none = Capabilities::of(&Bytes::from_static(answer.as_bytes()));
            assert!(!none.has("tools") && none.missing_in(&Capabilities::default()).is_empty(), "{answer}");
        }
        assert_eq!(declared(json!([1])).missing_in(&Capabilities::default()), [""; 0]);
    }
}
