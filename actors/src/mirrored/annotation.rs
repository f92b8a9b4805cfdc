//! Whether a schema asks for headers in a way that a client over HTTP can follow (2026-07-28, "Schema Extension"). Pure.

use std::collections::HashSet;

use serde_json::{Map, Value};

pub(super) const KEYWORD: &str = "x-mcp-header";
/// What a header can repeat. `null` may stand beside: then there is no header.
const PRIMITIVE: [&str; 3] = ["integer", "string", "boolean"];

/// The first thing that is wrong with the annotations of one input schema.
pub(super) fn flaw(schema: &Value) -> Option<String> {
    Search::default().schema(schema, Place::Root).err()
}

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    /// A chain of `properties` leads to it.
    Property,
    /// No argument can be named by its place.
    Elsewhere,
}

#[derive(Default)]
struct Search {
    /// Names of headers so far, without case.
    names: HashSet<String>,
}

impl Search {
    fn schema(&mut self, schema: &Value, place: Place) -> Result<(), String> {
        let fields = match schema {
            Value::Object(fields) => fields,
            Value::Array(schemas) => return self.all(schemas.iter(), Place::Elsewhere),
            _ => return Ok(()),
        };
        if let Some(name) = fields.get(KEYWORD) {
            self.annotation(name, fields, place)?;
        }
        for (key, value) in fields {
            match key.as_str() {
                // Values, not schemas: what stands in them means nothing.
                KEYWORD | "const" | "default" | "enum" | "example" | "examples" => {}
                // Here keys are names.
                "properties" => {
                    let inner = if place == Place::Elsewhere { place } else { Place::Property };
                    self.named(value, inner)?;
                }
                "$defs" | "definitions" | "patternProperties" | "dependentSchemas" => {
                    self.named(value, Place::Elsewhere)?;
                }
                _ => self.schema(value, Place::Elsewhere)?,
            }
        }
        Ok(())
    }

    fn named(&mut self, schemas: &Value, place: Place) -> Result<(), String> {
        self.all(schemas.as_object().into_iter().flat_map(Map::values), place)
    }

    fn all<'a>(&mut self, mut schemas: impl Iterator<Item = &'a Value>, place: Place) -> Result<(), String> {
        schemas.try_for_each(|schema| self.schema(schema, place))
    }

    fn annotation(&mut self, name: &Value, of: &Map<String, Value>, place: Place) -> Result<(), String> {
        let Some(name) = name.as_str().filter(|name| is_token(name)) else {
            return Err(format!("{name} cannot be part of a header's name"));
        };
        if place != Place::Property {
            return Err(format!("{name:?} stands where no chain of properties leads"));
        }
        if !is_primitive(of.get("type")) {
            return Err(format!("{name:?} is on something else than an integer, a string or a boolean"));
        }
        if !self.names.insert(name.to_ascii_lowercase()) {
            return Err(format!("{name:?} is there twice"));
        }
        Ok(())
    }
}

/// Of the characters that RFC 9110 allows in the name of a field.
fn is_token(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

fn is_primitive(of_type: Option<&Value>) -> bool {
    let primitive = |value: &Value| value.as_str().is_some_and(|name| PRIMITIVE.contains(&name));
    match of_type {
        Some(Value::Array(any)) => {
            any.iter().any(primitive) && any.iter().all(|one| primitive(one) || one == "null")
        }
        Some(one) => primitive(one),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(name: Value, of_type: Value) -> Value {
        json!({ "type": "object", "properties": { "a": { "type": of_type, "x-mcp-header": name } } })
    }

    /// A good tool would vanish from the lists.
    #[test]
    fn what_the_specification_allows_is_no_flaw() {
        let marked = json!({ "type": "string", "x-mcp-header": "Deep" });
        let good = [
            json!({ "type": "object" }),
            one(json!("Region"), json!("string")),
            one(json!("x!#$%&'*+-.^_`|~9"), json!("integer")),
            one(json!("On"), json!("boolean")),
            one(json!("Maybe"), json!(["string", "null"])),
            json!({ "properties": { "at": { "type": "object", "properties": { "b": marked } } } }),
            // A property of that name, and values that look like an annotation.
            json!({ "properties": { "x-mcp-header": { "type": "number" } } }),
            json!({ "properties": { "a": { "type": "object", "default": { "x-mcp-header": "" } } } }),
            json!({ "properties": { "a": { "enum": [{ "x-mcp-header": 1 }], "const": { "x-mcp-header": 1 } } } }),
        ];
        for schema in good {
            assert_eq!(flaw(&schema), None, "{schema}");
        }
    }

    /// A client would be told of a tool whose calls it cannot make as the specification wants.
    #[test]
    fn what_it_forbids_is_one() {
        for name in
            [json!(""), json!("a b"), json!("a\r\nb"), json!("ä"), json!("a:b"), json!(1), json!(null)]
        {
            assert!(flaw(&one(name.clone(), json!("string"))).is_some(), "{name}");
        }
        for of_type in
            [json!("number"), json!("object"), json!("array"), json!(["string", "number"]), json!(null)]
        {
            assert!(flaw(&one(json!("A"), of_type.clone())).is_some(), "{of_type}");
        }
        let marked = || json!({ "type": "string", "x-mcp-header": "A" });
        let holder = || json!({ "type": "object", "properties": { "a": marked() } });
        let bad = [
            json!({ "type": "string", "x-mcp-header": "Root" }),
            json!({ "properties": { "a": { "x-mcp-header": "Untyped" } } }),
            json!({ "properties": { "a": marked(), "b": { "type": "string", "x-mcp-header": "a" } } }),
            json!({ "properties": { "a": { "type": "array", "items": marked() } } }),
            json!({ "properties": { "a": { "type": "array", "items": holder() } } }),
            json!({ "properties": { "a": { "prefixItems": [marked()] } } }),
            json!({ "anyOf": [holder()] }),
            json!({ "if": holder() }),
            json!({ "not": holder() }),
            json!({ "additionalProperties": marked() }),
            json!({ "$defs": { "a": marked() }, "properties": { "a": { "$ref": "#/$defs/a" } } }),
        ];
        for schema in bad {
            assert!(flaw(&schema).is_some(), "{schema}");
        }
    }
}
