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

/// Whoever asks.
fn by(principal: &str, era: Era) -> impl Fn() -> Guard<Arc<SessionRecord>> {
    let record = Arc::new(SessionRecord::new(principal, Default::default()).in_era(era));
    move || Guard::from_inner(record.clone())
}

fn request(method: &str, params: &str) -> Envelope {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    Envelope::parse(text.into()).unwrap()
}

fn list(backend: &Backend, method: &str, result: &str) -> String {
    let answer = Envelope::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#).into()).unwrap();
    let shown = seen(backend, "p", &request(method, "{}"), &answer).unwrap_or_else(|| answer.bytes().clone());
    let text = String::from_utf8(shown.to_vec()).unwrap();
    text[text.find(r#""result":"#).unwrap() + 9..text.len() - 1].to_owned()
}

fn code(backend: &Backend, era: Era, method: &str, params: &str) -> i32 {
    match admit(backend, by("p", era), &request(method, params)) {
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
        let admitted = admit(&backend, by("p", Era::Legacy), &call).ok()?;
        Some(String::from_utf8(admitted.unwrap_or(call).params().unwrap().to_vec()).unwrap())
    };
    let params = |name: &str| Some(format!(r#"{{ "arguments":{{"name":1.0}},"name": "{name}" }}"#));
    assert_eq!((called("safe_a"), called("b"), called("d")), (params("a"), params("c"), params("d")));
    assert_eq!((called("a"), called("c")), (None, None), "it is known by another name");
}

/// Whoever may only read would write, by a name that others may use.
#[test]
fn a_principal_sees_and_calls_the_tools_that_a_rule_gives_it() {
    let rules = "[[auth.rules]]\nprincipals = [\"reader\"]\nbackends = [\"b\"]\ntools = [\"read_*\"]\n\
                 [[auth.rules]]\nprincipals = [\"writer\"]\nbackends = [\"b\"]\n";
    let backend = backend(&format!("tools.rename = {{ read_x = \"look\" }}\n{rules}"));
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read_x"},{"name":"write"}]}}"#;
    let answer = Envelope::parse(answer.into()).unwrap();
    let names = |principal: &str| {
        let shown = seen(&backend, principal, &request("tools/list", "{}"), &answer).unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
        let tools = shown["result"]["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("reader"), ["look"]);
    assert_eq!(names("writer"), ["look", "write"]);
    assert!(names("stranger").is_empty());
    let calls = |principal: &str, tool: &str| {
        let call = request("tools/call", &format!(r#"{{"name":"{tool}"}}"#));
        admit(&backend, by(principal, Era::Modern), &call).map(drop).map_err(|refusal| refusal.to_string())
    };
    assert!(calls("reader", "look").is_ok() && calls("writer", "write").is_ok());
    assert_eq!(calls("reader", "write"), Err("Unknown tool: write".to_owned()));
    assert_eq!(calls("reader", "nothing"), Err("Unknown tool: nothing".to_owned()));
    assert!(calls("stranger", "look").is_err());
}

/// What one may see would be shown to another, by whoever keeps answers for both.
#[test]
fn a_list_that_depends_on_who_asks_is_kept_for_nobody_else() {
    let rules = "[[auth.rules]]\nprincipals = [\"p\"]\nbackends = [\"b\"]\ntools = [\"a\"]\n";
    let public = r#"{"tools":[{"name":"a"},{"name":"b"}],"ttlMs":1.50,"cacheScope":"public"}"#;
    assert_eq!(
        list(&backend(rules), "tools/list", public),
        r#"{"tools":[{"name":"a"}],"ttlMs":1.50,"cacheScope":"private"}"#
    );
    let older = r#"{"tools":[{"name":"a"}]}"#;
    assert_eq!(list(&backend(rules), "tools/list", older), older);
    let hidden = list(&backend("tools = { deny = [\"b\"] }"), "tools/list", public);
    assert!(hidden.contains("public"), "the same for everybody: {hidden}");
}

/// A message would be copied, or a number lose its digits, where nobody wants anything changed.
#[test]
fn without_a_filter_nothing_is_touched() {
    let backend = backend("");
    let call = request("tools/call", r#"{"name":"x","name":"y"}"#);
    assert!(matches!(admit(&backend, by("p", Era::Legacy), &call), Ok(None)));
    let answer = Envelope::parse(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[1]}}"#.into()).unwrap();
    assert!(seen(&backend, "p", &request("tools/list", "{}"), &answer).is_none());
}
