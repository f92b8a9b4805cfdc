//! What a client wants to hear of, and what of it a backend can tell. Pure.

use mcpvisor_actors::message::Envelope;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::front::modern::bridge::Greeting;

/// The filter of one subscription.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wanted {
    tools_list_changed: bool,
    prompts_list_changed: bool,
    resources_list_changed: bool,
    #[serde(rename = "resourceSubscriptions")]
    pub(super) uris: Vec<String>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    notifications: Wanted,
}

impl Wanted {
    /// Of a `subscriptions/listen`. What cannot be read is not wanted.
    pub(super) fn of(request: &Envelope) -> Self {
        let params = request.params().and_then(|params| serde_json::from_slice::<Params>(params).ok());
        params.map(|params| params.notifications).unwrap_or_default()
    }

    /// The same of these resources.
    pub(super) fn of_resources(&self, uris: Vec<String>) -> Self {
        Self { uris, ..self.clone() }
    }

    /// What of it a legacy backend has promised to tell.
    pub(super) fn granted_by(self, greeting: &Greeting) -> Self {
        Self {
            tools_list_changed: self.tools_list_changed && greeting.promises("tools", "listChanged"),
            prompts_list_changed: self.prompts_list_changed && greeting.promises("prompts", "listChanged"),
            resources_list_changed: self.resources_list_changed
                && greeting.promises("resources", "listChanged"),
            uris: if greeting.promises("resources", "subscribe") { self.uris } else { Vec::new() },
        }
    }

    /// The params of the acknowledgement, without `_meta`.
    pub(super) fn acknowledged(&self) -> Value {
        let mut granted = json!({});
        for (name, _) in self.lists() {
            granted[name] = true.into();
        }
        if !self.uris.is_empty() {
            granted["resourceSubscriptions"] = json!(self.uris);
        }
        json!({ "notifications": granted })
    }

    /// Whether a notification of the backend is wanted. The backend has been told which resources are.
    pub(super) fn hears(&self, message: &Envelope) -> bool {
        match message.method() {
            Some("notifications/resources/updated") => !self.uris.is_empty(),
            method => self.changed().any(|wanted| Some(wanted) == method),
        }
    }

    /// The notifications that tell of changed lists, as far as they are wanted.
    pub(super) fn changed(&self) -> impl Iterator<Item = &'static str> {
        self.lists().map(|(_, method)| method)
    }

    fn lists(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (self.tools_list_changed, ("toolsListChanged", "notifications/tools/list_changed")),
            (self.prompts_list_changed, ("promptsListChanged", "notifications/prompts/list_changed")),
            (self.resources_list_changed, ("resourcesListChanged", "notifications/resources/list_changed")),
        ]
        .into_iter()
        .filter_map(|(wanted, names)| wanted.then_some(names))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(text: &str) -> Envelope {
        Envelope::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    /// A client would be told what it never asked for, or wait for what never comes.
    #[test]
    fn only_what_is_asked_for_and_promised_is_heard() {
        let wanted = Wanted::of(&message(
            r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a"],"other":1}}}"#,
        ));
        let greeting = Greeting::of(&Bytes::from_static(
            br#"{"jsonrpc":"2.0","id":0,"result":{"capabilities":{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true}}}}"#,
        ));
        let granted = wanted.granted_by(&greeting);
        let acknowledged =
            json!({ "notifications": { "toolsListChanged": true, "resourceSubscriptions": ["a"] } });
        assert_eq!(granted.acknowledged(), acknowledged);
        let hears =
            |method: &str| granted.hears(&message(&format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#)));
        assert!(hears("notifications/tools/list_changed") && hears("notifications/resources/updated"));
        assert!(!hears("notifications/prompts/list_changed") && !hears("notifications/message"));
    }
}
