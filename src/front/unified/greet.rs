//! What several backends say of themselves, said as one. Pure.

use serde_json::{Map, Value, json};

use crate::VERSION;

/// What is passed on to the backends. What else one declares (`experimental`, `extensions`, `tasks`) has methods and ids of its own,
/// which nobody here would know whose they are.
const CAPABILITIES: [&str; 5] = ["tools", "prompts", "resources", "logging", "completions"];

/// What has a list.
pub(crate) const LISTED: [&str; 3] = ["tools", "prompts", "resources"];

/// One backend: its name, and its InitializeResult or DiscoverResult if it has said anything yet.
pub(crate) type Introduced = (String, Option<Value>);

/// Everything that any of them declares. While one has not said what it has, it may have anything. Lists always change: with their
/// backends, which come and go.
pub(crate) fn capabilities(backends: &[Introduced]) -> Value {
    let mut all = json!({ "logging": {} });
    for (_, said) in backends {
        match said {
            Some(said) => {
                for (name, capability) in declared(&said["capabilities"]) {
                    unite(&mut all[name], capability);
                }
            }
            None => {
                let anything = json!({
                    "tools": {}, "prompts": {}, "resources": { "subscribe": true }, "completions": {},
                });
                declared(&anything).for_each(|(name, capability)| unite(&mut all[name], capability));
            }
        }
    }
    for list in LISTED {
        if let Some(capability) = all.get_mut(list) {
            capability["listChanged"] = true.into();
        }
    }
    all
}

fn declared(capabilities: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    let is_declared = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
    CAPABILITIES
        .into_iter()
        .filter_map(|name| Some((name, capabilities.get(name)?)))
        .filter(move |(_, value)| is_declared(value))
}

/// What either has.
fn unite(one: &mut Value, other: &Value) {
    match (&mut *one, other) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, other) in others {
                unite(fields.entry(name.clone()).or_insert(Value::Null), other);
            }
        }
        (Value::Null | Value::Bool(false), other) => *one = other.clone(),
        _ => {}
    }
}

/// Their instructions, each under its name; `None`: nobody has any.
pub(crate) fn instructions(backends: &[Introduced]) -> Option<String> {
    let one = |(name, said): &Introduced| {
        let text = said.as_ref()?["instructions"].as_str()?.trim();
        (!text.is_empty()).then(|| format!("## {name}\n\n{text}"))
    };
    let all: Vec<String> = backends.iter().filter_map(one).collect();
    if all.is_empty() {
        return None;
    }
    let head = "Several servers in one. The name of a tool or prompt begins with that of its server and two underscores.";
    Some(format!("{head}\n\n{}", all.join("\n\n")))
}

/// Who answers.
pub(crate) fn server_info() -> Value {
    json!({ "name": "mcpvisor", "version": VERSION })
}

/// The answer to `initialize` in this revision.
pub(crate) fn initialize_result(version: &str, backends: &[Introduced], unavailable: &[Value]) -> Value {
    let mut result = Map::new();
    result.insert("protocolVersion".into(), version.into());
    result.insert("capabilities".into(), capabilities(backends));
    result.insert("serverInfo".into(), server_info());
    if let Some(instructions) = instructions(backends) {
        result.insert("instructions".into(), instructions.into());
    }
    if !unavailable.is_empty() {
        result.insert("_meta".into(), json!({ super::merge::UNAVAILABLE: unavailable }));
    }
    result.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, said: Value) -> Introduced {
        (name.to_owned(), Some(said))
    }

    #[test]
    fn what_any_of_them_has_is_there() {
        let one = said("a", json!({ "capabilities": { "tools": {}, "logging": {}, "prompts": false } }));
        let two = said(
            "b",
            json!({ "capabilities": { "resources": { "subscribe": true }, "tools": { "listChanged": true }, "experimental": { "x": {} } } }),
        );
        let expected = json!({
            "logging": {}, "tools": { "listChanged": true },
            "resources": { "subscribe": true, "listChanged": true },
        });
        assert_eq!(capabilities(&[one, two]), expected);
    }

    /// A client would never ask for the prompts of a server that starts slowly.
    #[test]
    fn who_has_said_nothing_may_have_anything() {
        let all = capabilities(&[said("a", json!({ "capabilities": {} })), ("b".to_owned(), None)]);
        for name in ["tools", "prompts", "resources", "completions", "logging"] {
            assert!(all[name].is_object(), "{name}");
        }
    }

    #[test]
    fn instructions_say_whose_they_are() {
        let backends =
            [said("a", json!({ "instructions": "Do x." })), said("b", json!({})), ("c".to_owned(), None)];
        let text = instructions(&backends).unwrap();
        assert!(text.ends_with("## a\n\nDo x."), "{text}");
        assert_eq!(instructions(&backends[1..]), None);
    }
}
