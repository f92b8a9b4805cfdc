//! What passes, and as what.

use mcpvisor_config::{LoadRequest, Source};

use super::*;

fn backend(settings: &str) -> Backend {
    let text = format!("[backends.b]\ncommand = \"x\"\n{settings}\n");
    let file = Source::Text { name: "t.toml".into(), text };
    let request = LoadRequest { files: vec![file], ..Default::default() };
    let config = mcpvisor_config::load(request).unwrap_or_else(|errors| panic!("{errors}")).config;
    config.backends["b"].clone()
}

fn request(method: &str, params: &str) -> Envelope {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    Envelope::parse(text.into()).unwrap()
}

fn list(backend: &Backend, method: &str, result: &str) -> String {
    let answer = Envelope::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#).into()).unwrap();
    let shown = seen(backend, &request(method, "{}"), &answer).unwrap_or_else(|| answer.bytes().clone());
    let text = String::from_utf8(shown.to_vec()).unwrap();
    text[text.find(r#""result":"#).unwrap() + 9..text.len() - 1].to_owned()
}

fn code(backend: &Backend, era: Era, method: &str, params: &str) -> i32 {
    match admit(backend, || era, &request(method, params)) {
        Ok(_) => 0,
        Err(refusal) => refusal.code(),
    }
}

/// Somebody would call what an operator has hidden, by a list that he remembers or a name that he guesses.
#[test]
fn what_is_hidden_is_neither_shown_nor_callable() {
    let backend = backend(
        "tools = { allow = [\"read_*\", \"rm\"], deny = [\"rm\"] }\nprompts.deny = [\"p*\"]\nresources.allow = [\"file:///a/*\"]",
    );
    let tools =
        r#"{"tools":[{"name":"read_x","n":1.50},{"name":"rm"},{"name":"write"},{"x":1}],"nextCursor":"c"}"#;
    assert_eq!(
        list(&backend, "tools/list", tools),
        r#"{"tools":[{"name":"read_x","n":1.50}],"nextCursor":"c"}"#
    );
    assert_eq!(
        list(&backend, "prompts/list", r#"{"prompts":[{"name":"p1"},{"name":"q"}]}"#),
        r#"{"prompts":[{"name":"q"}]}"#
    );
    let resources = r#"{"resources":[{"uri":"file:///a/1","name":"n"},{"uri":"file:///b","name":"n"}]}"#;
    assert_eq!(
        list(&backend, "resources/list", resources),
        r#"{"resources":[{"uri":"file:///a/1","name":"n"}]}"#
    );
    let templates =
        r#"{"resourceTemplates":[{"uriTemplate":"file:///{x}"},{"uriTemplate":"file:///a/{x}"}]}"#;
    assert_eq!(
        list(&backend, "resources/templates/list", templates),
        r#"{"resourceTemplates":[{"uriTemplate":"file:///a/{x}"}]}"#
    );
    for era in [Era::Legacy, Era::Modern] {
        let gone = if era == Era::Legacy { -32002 } else { -32602 };
        for (method, params, expected) in [
            ("tools/call", r#"{"name":"read_x"}"#, 0),
            ("tools/call", r#"{"name":"rm"}"#, -32602),
            ("tools/call", r#"{"name":"\u0072m"}"#, -32602),
            ("tools/call", r#"{"name":"read_x","name":"rm"}"#, -32602),
            ("tools/call", r#"["rm"]"#, -32602),
            ("tools/call", r#"{"arguments":{}}"#, -32602),
            ("prompts/get", r#"{"name":"p1"}"#, -32602),
            ("prompts/get", r#"{"name":"q"}"#, 0),
            ("resources/read", r#"{"uri":"file:///b"}"#, gone),
            ("resources/subscribe", r#"{"uri":"file:///b"}"#, gone),
            ("resources/read", r#"{"uri":"file:///a/1"}"#, 0),
            ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"p1"}}"#, -32602),
            ("completion/complete", r#"{"ref":{"type":"ref/resource","uri":"file:///{x}"}}"#, gone),
            ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"q"}}"#, 0),
            ("tools/list", "{}", 0),
        ] {
            assert_eq!(code(&backend, era, method, params), expected, "{method} {params}");
        }
    }
}

/// A model would be shown one name, and the server called by another.
#[test]
fn a_tool_has_the_name_and_the_description_that_it_was_given() {
    let backend = backend(
        "tools = { rename = { a = \"safe_a\", c = \"b\" }, describe = { a = \"Says \\\"a\\\".\", b = \"hidden\", d = \"D\" } }",
    );
    let tools =
        r#"{"tools":[{ "description" : "old", "name" : "a" },{"name":"b"},{"name":"c"},{"name":"d"}]}"#;
    assert_eq!(
        list(&backend, "tools/list", tools),
        r#"{"tools":[{ "description" : "Says \"a\".", "name" : "safe_a" },{"name":"b"},{"description":"D","name":"d"}]}"#
    );
    let called = |name: &str| {
        let call = request("tools/call", &format!(r#"{{ "arguments":{{"name":1.0}},"name": "{name}" }}"#));
        let admitted = admit(&backend, || Era::Legacy, &call).ok()?;
        Some(String::from_utf8(admitted.unwrap_or(call).params().unwrap().to_vec()).unwrap())
    };
    let params = |name: &str| Some(format!(r#"{{ "arguments":{{"name":1.0}},"name": "{name}" }}"#));
    assert_eq!((called("safe_a"), called("b"), called("d")), (params("a"), params("c"), params("d")));
    assert_eq!((called("a"), called("c")), (None, None), "it is known by another name");
}

/// A message would be copied, or a number lose its digits, where nobody wants anything changed.
#[test]
fn without_a_filter_nothing_is_touched() {
    let backend = backend("");
    let call = request("tools/call", r#"{"name":"x","name":"y"}"#);
    assert!(matches!(admit(&backend, || Era::Legacy, &call), Ok(None)));
    let answer = Envelope::parse(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[1]}}"#.into()).unwrap();
    assert!(seen(&backend, &request("tools/list", "{}"), &answer).is_none());
}
