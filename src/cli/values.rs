//! `name=value` on the command line becomes what the tool's schema asks for. Pure.

use serde_json::{Map, Value};

/// The arguments of a call.
///
/// # Errors
/// One that is not `name=value`.
pub(super) fn arguments(pairs: &[String], schema: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut arguments = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(format!("'{pair}' is no argument\n    write it as NAME=VALUE"));
        };
        let property = schema.get("properties").and_then(|properties| properties.get(name));
        arguments.insert(name.to_owned(), typed(value, property, schema));
    }
    Ok(arguments)
}

/// How a tool is called: `sleep ms=INTEGER [code=INTEGER]`.
pub(super) fn usage(tool: &str, schema: &Map<String, Value>) -> String {
    let mut usage = tool.to_owned();
    let Some(Value::Object(properties)) = schema.get("properties") else { return usage };
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|known| known == name))
    };
    let (needed, optional): (Vec<_>, Vec<_>) = properties.iter().partition(|(name, _)| required(name));
    for (name, property) in needed {
        usage += &format!(" {name}={}", placeholder(property, schema));
    }
    for (name, property) in optional {
        usage += &format!(" [{name}={}]", placeholder(property, schema));
    }
    usage
}

/// The value as JSON if it is some of a type the schema allows, else as the text it is.
fn typed(value: &str, property: Option<&Value>, schema: &Map<String, Value>) -> Value {
    let text = || Value::String(value.to_owned());
    let Ok(parsed) = serde_json::from_str::<Value>(value) else { return text() };
    let mut types = Vec::new();
    if let Some(property) = property {
        collect_types(property, schema, &mut types, 0);
    }
    // `message=42` for a tool that wants text is the text 42; a type unknown is taken as JSON.
    let fits = match &parsed {
        Value::String(_) => false,
        _ if types.is_empty() => true,
        Value::Number(number) if types.contains(&"integer") => types.contains(&"number") || !number.is_f64(),
        Value::Number(_) => types.contains(&"number"),
        Value::Bool(_) => types.contains(&"boolean"),
        Value::Null => types.contains(&"null"),
        Value::Array(_) => types.contains(&"array"),
        Value::Object(_) => types.contains(&"object"),
    };
    let quoted_text = matches!(&parsed, Value::String(_)) && types.is_empty();
    if fits || quoted_text { parsed } else { text() }
}

/// The types a property may have, through unions and references.
fn collect_types<'a>(
    property: &'a Value,
    schema: &'a Map<String, Value>,
    types: &mut Vec<&'a str>,
    depth: usize,
) {
    // A schema may refer to itself.
    if depth > 8 {
        return;
    }
    match property.get("type") {
        Some(Value::String(name)) => types.push(name),
        Some(Value::Array(names)) => types.extend(names.iter().filter_map(Value::as_str)),
        _ => {}
    }
    for value in
        property.get("enum").and_then(Value::as_array).into_iter().flatten().chain(property.get("const"))
    {
        types.push(type_of(value));
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        for member in property.get(union).and_then(Value::as_array).into_iter().flatten() {
            collect_types(member, schema, types, depth + 1);
        }
    }
    let referred = property.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/"));
    if let Some(path) = referred {
        let mut steps = path.split('/');
        let first = steps.next().and_then(|step| schema.get(step));
        if let Some(target) = steps.try_fold(first, |at, step| at.map(|at| at.get(step))).flatten() {
            collect_types(target, schema, types, depth + 1);
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn placeholder(property: &Value, schema: &Map<String, Value>) -> String {
    if let Some(values) = property.get("enum").and_then(Value::as_array) {
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return values.iter().map(shown).collect::<Vec<_>>().join("|");
    }
    let mut types = Vec::new();
    collect_types(property, schema, &mut types, 0);
    types.retain(|name| *name != "null");
    types.dedup();
    if types.is_empty() { "VALUE".to_owned() } else { types.join("|").to_uppercase() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Map<String, Value> {
        let schema = json!({
            "properties": {
                "message": { "type": "string" },
                "a": { "type": "number" },
                "code": { "type": ["integer", "null"] },
                "deep": { "type": "object" },
                "either": { "anyOf": [{ "type": "string" }, { "type": "boolean" }] },
                "level": { "$ref": "#/$defs/Level" },
                "free": {}
            },
            "required": ["message", "a"],
            "$defs": { "Level": { "enum": ["low", "high"] } }
        });
        schema.as_object().cloned().unwrap()
    }

    fn typed_as(pair: &str) -> Value {
        let arguments = arguments(&[pair.to_owned()], &schema()).unwrap();
        arguments.into_iter().next().unwrap().1
    }

    #[test]
    fn a_value_becomes_what_the_schema_asks_for() {
        assert_eq!(typed_as("message=42"), json!("42"), "text that looks like a number stays text");
        assert_eq!(typed_as("message=a=b"), json!("a=b"));
        assert_eq!(typed_as("message=\"quoted\""), json!("\"quoted\""), "quotes that reached us are meant");
        assert_eq!(typed_as("a=1.5"), json!(1.5));
        assert_eq!(typed_as("code=3"), json!(3));
        assert_eq!(typed_as("code=null"), Value::Null);
        assert_eq!(typed_as("deep={\"x\":[1]}"), json!({ "x": [1] }));
        assert_eq!(typed_as("either=true"), json!(true));
        assert_eq!(typed_as("level=low"), json!("low"));
        assert_eq!(typed_as("free=[1,2]"), json!([1, 2]));
        assert_eq!(typed_as("unknown=x"), json!("x"));
        assert_eq!(typed_as("a=many"), json!("many"), "the server says best what is wrong with it");
    }

    #[test]
    fn what_is_no_argument_is_refused() {
        assert!(arguments(&["message".to_owned()], &schema()).unwrap_err().contains("NAME=VALUE"));
        assert!(arguments(&["=x".to_owned()], &schema()).is_err());
    }

    #[test]
    fn a_tool_is_shown_as_it_is_called() {
        let usage = usage("t", &schema());
        assert!(usage.starts_with("t message=STRING a=NUMBER "), "{usage}");
        assert!(usage.contains("[code=INTEGER]") && usage.contains("[either=STRING|BOOLEAN]"), "{usage}");
    }
}
