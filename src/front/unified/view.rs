//! One backend as its clients see it: which names it goes by. Pure.
//!
//! What else stands between a backend's lists and its clients belongs here too.

use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::message::Envelope;
use serde_json::json;

use super::names;
use mcpvisor_actors::message::Fields;

/// The lists of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    /// The list that a method asks for.
    pub(crate) fn of(method: &str) -> Option<Self> {
        Some(match method {
            "tools/list" => Self::Tools,
            "prompts/list" => Self::Prompts,
            "resources/list" => Self::Resources,
            "resources/templates/list" => Self::Templates,
            _ => return None,
        })
    }

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// Where its entries stand in a result.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// What a server that has it declares.
    pub(crate) fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }
}

/// A backend among others.
#[derive(Debug, Clone)]
pub(crate) struct View {
    backend: Arc<str>,
}

impl View {
    pub(crate) fn new(backend: Arc<str>) -> Self {
        Self { backend }
    }

    pub(crate) fn backend(&self) -> &Arc<str> {
        &self.backend
    }

    /// An entry of a list (raw JSON) as clients see it; `None`: they do not.
    pub(crate) fn entry(&self, list: List, entry: &str) -> Option<String> {
        if matches!(list, List::Resources | List::Templates) {
            return Some(entry.to_owned());
        }
        let mut fields = Fields::parse(entry.as_bytes())?;
        let name: String = serde_json::from_str(fields.get("name")?).ok()?;
        fields.set("name", json!(names::join(&self.backend, &name)).to_string());
        Some(fields.to_string())
    }

    /// A `tools/call` or `prompts/get` as the backend knows it: `name` is what it calls it.
    pub(crate) fn call(&self, message: &Envelope, name: &str) -> Envelope {
        self.with(message, |fields| fields.set("name", json!(name).to_string()))
    }

    /// A `completion/complete` of a prompt, likewise.
    pub(crate) fn completion(&self, message: &Envelope, name: &str) -> Envelope {
        self.with(message, |fields| {
            let reference = fields.get("ref").map(str::to_owned).unwrap_or_default();
            let Some(mut reference) = Fields::parse(reference.as_bytes()) else { return };
            reference.set("name", json!(name).to_string());
            fields.set("ref", reference.to_string());
        })
    }

    fn with(&self, message: &Envelope, change: impl FnOnce(&mut Fields<'_>)) -> Envelope {
        let changed = message.params().and_then(|params| {
            let mut fields = Fields::parse(params)?;
            change(&mut fields);
            Envelope::parse(message.with_part(params, fields.to_string().as_bytes())).ok()
        });
        let changed =
            changed.map(|changed: Envelope| changed.with_credentials(message.credentials().cloned()));
        changed.unwrap_or_else(|| message.clone())
    }

    /// What the backend says that is no answer: its log lines say whose they are.
    pub(crate) fn heard(&self, message: Bytes) -> Bytes {
        if memchr::memmem::find(&message, b"notifications/message").is_none() {
            return message;
        }
        let Ok(envelope) = Envelope::parse(message.clone()) else { return message };
        let (Some("notifications/message"), Some(params)) = (envelope.method(), envelope.params()) else {
            return message;
        };
        let Some(mut fields) = Fields::parse(params) else { return message };
        let logger = fields.get("logger").and_then(|raw| serde_json::from_str::<String>(raw).ok());
        let logger = match logger.filter(|logger| !logger.is_empty()) {
            Some(logger) => format!("{}/{logger}", self.backend),
            None => self.backend.to_string(),
        };
        fields.set("logger", json!(logger).to_string());
        envelope.with_part(params, fields.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Envelope {
        Envelope::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn view() -> View {
        View::new("b".into())
    }

    /// A client would lose what no SDK knows, or a number its digits.
    #[test]
    fn an_entry_changes_its_name_and_nothing_else() {
        let entry = r#"{"name":"x__y","title":"X","n":1.50,"inputSchema":{"type":"object","name":"n"}}"#;
        let expected =
            r#"{"name":"b__x__y","title":"X","n":1.50,"inputSchema":{"type":"object","name":"n"}}"#;
        assert_eq!(view().entry(List::Tools, entry).as_deref(), Some(expected));
        assert_eq!(view().entry(List::Resources, entry).as_deref(), Some(entry));
        assert_eq!(view().entry(List::Prompts, "{}"), None, "it could not be asked for");
    }

    #[test]
    fn the_backend_gets_the_name_that_it_knows() {
        let call = message(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"b__x","arguments":{"name":"b__x","n":1.0}}}"#,
        );
        let expected = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"name":"b__x","n":1.0}}}"#;
        assert_eq!(view().call(&call, "x").bytes(), expected);
        let complete = message(
            r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"b__p"},"argument":{"name":"a","value":""}}}"#,
        );
        let expected = r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""}}}"#;
        assert_eq!(view().completion(&complete, "p").bytes(), expected);
    }

    #[test]
    fn a_log_line_says_whose_it_is_and_nothing_else_is_touched() {
        let heard = |params: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#);
            String::from_utf8(view().heard(text.into()).to_vec()).unwrap()
        };
        assert!(
            heard(r#"{"level":"info","logger":"db","data":1.0}"#).contains(r#""logger":"b/db","data":1.0"#)
        );
        assert!(heard(r#"{"level":"info","data":1}"#).contains(r#""logger":"b""#));
        let progress = Bytes::from_static(
            br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"message":"notifications/message"}}"#,
        );
        assert_eq!(view().heard(progress.clone()), progress);
    }
}
