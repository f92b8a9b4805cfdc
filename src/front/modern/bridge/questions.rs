//! What a legacy backend asks its client while it works on a request, as a modern client is asked it. Pure.

use bytes::Bytes;
use mcpvisor_actors::message::Envelope;
use serde_json::{Value, json};

use mcpvisor_actors::message::Fields;

/// Where a backend may name its question (else they are numbered).
const KEY: &str = "mcpvisor/inputKey";

/// One question that waits for the client.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) key: String,
    /// The id that its answer must have, raw JSON.
    pub(crate) id: Bytes,
    method: String,
    /// Raw JSON.
    params: Option<Bytes>,
}

/// Those of one request, in order.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    open: Vec<Question>,
    asked: usize,
}

impl Questions {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// One more. `false`: it is none that a modern client can be asked.
    pub(crate) fn add(&mut self, message: &Envelope) -> bool {
        let (Some(id), Some(method)) = (message.id_bytes(), message.method()) else { return false };
        if !matches!(method, "elicitation/create" | "sampling/createMessage" | "roots/list") {
            return false;
        }
        self.asked += 1;
        let params: Value =
            message.params().and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default();
        let named = params["_meta"][KEY].as_str().map(str::to_owned);
        let free = |key: &String| self.open.iter().all(|question| question.key != *key);
        let key = named.filter(free).unwrap_or_else(|| format!("r{}", self.asked));
        let params = message.params().map(in_modern_words);
        self.open.push(Question { key, id, method: method.to_owned(), params });
        true
    }

    /// The backend took one back.
    pub(crate) fn withdraw(&mut self, id: &[u8]) {
        self.open.retain(|question| question.id != id);
    }

    /// `inputRequests`, as JSON.
    pub(crate) fn requests(&self) -> String {
        let requests = self.open.iter().map(|question| {
            let method = json!(question.method);
            let params = question.params.as_deref().map(String::from_utf8_lossy);
            let params = params.map_or_else(String::new, |params| format!(r#","params":{params}"#));
            format!(r#"{}:{{"method":{method}{params}}}"#, json!(question.key))
        });
        format!("{{{}}}", requests.collect::<Vec<_>>().join(","))
    }

    /// The answers to all of them, as messages; `None`: one is missing, or is none.
    pub(crate) fn answers(&self, responses: &[u8]) -> Option<Vec<Bytes>> {
        let responses = Fields::parse(responses)?;
        let answer = |question: &Question| {
            let response = responses.get(&question.key)?;
            question.is_answered_by(response).then(|| {
                let head = [br#"{"jsonrpc":"2.0","id":"#, &question.id[..], br#","result":"#].concat();
                Bytes::from([&head[..], response.as_bytes(), b"}"].concat())
            })
        };
        self.open.iter().map(answer).collect()
    }

    /// They are answered.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }
}

impl Question {
    fn is_answered_by(&self, response: &str) -> bool {
        let response: Value = serde_json::from_str(response).unwrap_or_default();
        match self.method.as_str() {
            "elicitation/create" => {
                matches!(response["action"].as_str(), Some("accept" | "decline" | "cancel"))
            }
            "sampling/createMessage" => response["role"].is_string() && !response["content"].is_null(),
            _ => response["roots"].is_array(),
        }
    }
}

/// Without what the modern era has no place for: the name of a page that nobody will say is done, a token for progress that
/// cannot be told, and what is between the backend and us.
fn in_modern_words(params: &[u8]) -> Bytes {
    let as_it_is = || Bytes::copy_from_slice(params);
    let Some(mut fields) = Fields::parse(params) else { return as_it_is() };
    fields.remove("elicitationId");
    if let Some(mut meta) = fields.get("_meta").and_then(|meta| Fields::parse(meta.as_bytes())) {
        meta.remove("progressToken");
        meta.remove(KEY);
        let meta = meta.to_string();
        if meta == "{}" {
            fields.remove("_meta");
        } else {
            fields.set("_meta", meta);
        }
    }
    fields.to_string().into()
}

/// What a client must have declared to be asked this, if it has not: `requiredCapabilities`.
pub(crate) fn undeclared(question: &Envelope, capabilities: &[u8]) -> Option<Value> {
    let declared: Value = serde_json::from_slice(capabilities).unwrap_or_default();
    let params: Value =
        question.params().and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default();
    let required = match question.method()? {
        "elicitation/create" if params["mode"] == "url" => json!({ "elicitation": { "url": {} } }),
        // An empty object means forms only, and so does one that names them.
        "elicitation/create" => match &declared["elicitation"] {
            Value::Object(modes) if modes.is_empty() || modes.contains_key("form") => return None,
            _ => json!({ "elicitation": { "form": {} } }),
        },
        "sampling/createMessage" if params.get("tools").is_some() => json!({ "sampling": { "tools": {} } }),
        "sampling/createMessage" => json!({ "sampling": {} }),
        _ => json!({ "roots": {} }),
    };
    (!covers(&declared, &required)).then_some(required)
}

/// Whether a client can be asked to open a page.
pub(crate) fn opens_pages(capabilities: &[u8]) -> bool {
    let declared: Value = serde_json::from_slice(capabilities).unwrap_or_default();
    declared["elicitation"]["url"].is_object()
}

fn covers(declared: &Value, required: &Value) -> bool {
    required.as_object().is_none_or(|fields| {
        fields.iter().all(|(key, value)| declared[key].is_object() && covers(&declared[key], value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Envelope {
        Envelope::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn elicit(id: &str, more: &str) -> Envelope {
        message(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create","params":{{"message":"m","n":1.50{more}}}}}"#
        ))
    }

    #[test]
    fn questions_pass_as_they_came_and_answers_go_back_under_their_ids() {
        let mut questions = Questions::default();
        assert!(questions.add(&elicit(
            "\"7\"",
            r#","_meta":{"mcpvisor/inputKey":"login","progressToken":1,"x":1.0},"elicitationId":"e""#
        )));
        assert!(questions.add(&message(r#"{"jsonrpc":"2.0","id":8,"method":"roots/list"}"#)));
        assert!(!questions.add(&message(r#"{"jsonrpc":"2.0","id":9,"method":"other"}"#)));
        let expected = r#"{"login":{"method":"elicitation/create","params":{"message":"m","n":1.50,"_meta":{"x":1.0}}},"r2":{"method":"roots/list"}}"#;
        assert_eq!(questions.requests(), expected);
        assert!(questions.answers(br#"{"login":{"action":"accept"}}"#).is_none(), "one is missing");
        assert!(
            questions.answers(br#"{"login":{"action":"yes"},"r2":{"roots":[]}}"#).is_none(),
            "one is none"
        );
        let answers = questions
            .answers(br#"{"r2":{"roots":[]},"login":{"action":"accept","content":{"x":1.0}},"more":1}"#);
        let expected = [
            r#"{"jsonrpc":"2.0","id":"7","result":{"action":"accept","content":{"x":1.0}}}"#,
            r#"{"jsonrpc":"2.0","id":8,"result":{"roots":[]}}"#,
        ];
        assert_eq!(answers.unwrap(), expected);
        questions.withdraw(b"\"7\"");
        assert_eq!(questions.requests(), r#"{"r2":{"method":"roots/list"}}"#);
    }

    #[test]
    fn two_questions_never_have_one_name() {
        let mut questions = Questions::default();
        let named = r#","_meta":{"mcpvisor/inputKey":"k"}"#;
        assert!(questions.add(&elicit("1", named)) && questions.add(&elicit("2", named)));
        let requests: Value = serde_json::from_str(&questions.requests()).unwrap();
        assert_eq!(requests.as_object().unwrap().keys().collect::<Vec<_>>(), ["k", "r2"]);
    }

    /// A client would be asked what it cannot answer, and wait for its answer for ever.
    #[test]
    fn nobody_is_asked_what_he_has_not_declared() {
        let form = elicit("1", "");
        let url = elicit("1", r#","mode":"url""#);
        let sampling = message(r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#);
        let tools =
            message(r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"tools":[]}}"#);
        let roots = message(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#);
        let asks = |question: &Envelope, declared: &str| undeclared(question, declared.as_bytes()).is_none();
        assert!(asks(&form, r#"{"elicitation":{}}"#) && asks(&form, r#"{"elicitation":{"form":{}}}"#));
        assert!(!asks(&form, r#"{"elicitation":{"url":{}}}"#) && !asks(&form, "{}"));
        assert!(asks(&url, r#"{"elicitation":{"url":{}}}"#) && !asks(&url, r#"{"elicitation":{}}"#));
        assert!(asks(&sampling, r#"{"sampling":{}}"#) && !asks(&tools, r#"{"sampling":{}}"#));
        assert!(asks(&tools, r#"{"sampling":{"tools":{}}}"#) && asks(&roots, r#"{"roots":{}}"#));
        assert_eq!(undeclared(&sampling, b"{}"), Some(json!({ "sampling": {} })));
    }
}
