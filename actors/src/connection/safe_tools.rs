//! Which tools may be called a second time: those whose annotations in the backend's own list say so. Pure.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Names of tools that do no harm when they run twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SafeTools(BTreeSet<String>);

#[derive(Deserialize)]
struct ToolList {
    tools: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Annotations {
    read_only_hint: Option<bool>,
    idempotent_hint: Option<bool>,
}

#[derive(Deserialize)]
struct Call {
    name: String,
}

impl SafeTools {
    /// Reads one page of a `tools/list` result. What it does not mention stays as it was.
    pub(super) fn learn(&mut self, result: &[u8]) {
        // A list that cannot be read teaches nothing: its tools are not called twice.
        let Ok(list) = serde_json::from_slice::<ToolList>(result) else { return };
        for tool in list.tools {
            let hints = [tool.annotations.read_only_hint, tool.annotations.idempotent_hint];
            if hints.contains(&Some(true)) {
                self.0.insert(tool.name);
            } else {
                self.0.remove(&tool.name);
            }
        }
    }

    /// Whether `tools/call` with these params may be sent again.
    pub(super) fn covers(&self, params: Option<&[u8]>) -> bool {
        let call = params.and_then(|params| serde_json::from_slice::<Call>(params).ok());
        call.is_some_and(|call| self.0.contains(&call.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tools_that_say_so_are_called_twice() {
        let mut safe = SafeTools::default();
        safe.learn(
            br#"{"tools":[{"name":"read","annotations":{"readOnlyHint":true}},
                {"name":"put","annotations":{"idempotentHint":true,"readOnlyHint":false}},
                {"name":"pay","annotations":{"title":"Pay"}},{"name":"plain"}]}"#,
        );
        let covers = |safe: &SafeTools, name: &str| {
            safe.covers(Some(format!(r#"{{"name":"{name}","arguments":{{}}}}"#).as_bytes()))
        };
        assert!(covers(&safe, "read") && covers(&safe, "put"));
        assert!(!covers(&safe, "pay") && !covers(&safe, "plain") && !covers(&safe, "unheard of"));
        assert!(!safe.covers(None));
        safe.learn(br#"{"tools":[{"name":"read"}]}"#);
        assert!(!covers(&safe, "read") && covers(&safe, "put"), "a later list corrects an earlier one");
        safe.learn(b"not a list");
        assert!(covers(&safe, "put"));
    }
}
