//! A JSON object of which a few fields are changed and the rest passes as it came.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Fields in their order, their values as raw JSON.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    /// Reads an object; `None`: it is none.
    pub fn parse(object: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(object).ok()
    }

    /// The value of a field, as raw JSON. Where a name stands twice, the last one counts.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Sets a field to raw JSON: in its place, else at the end.
    pub fn set(&mut self, name: &'static str, value: String) {
        match self.0.iter_mut().rev().find(|(key, _)| key == name) {
            Some((_, old)) => *old = Cow::Owned(value),
            None => self.0.push((Cow::Borrowed(name), Cow::Owned(value))),
        }
    }

    /// The same, unless it is there.
    pub fn set_if_missing(&mut self, name: &'static str, value: impl FnOnce() -> String) {
        if self.get(name).is_none() {
            self.set(name, value());
        }
    }

    /// Adds a field of any name at the end.
    pub fn add(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        self.0.push((name.into(), value.into()));
    }

    /// The names and the values (raw JSON), in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Takes a field out. True if it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(key, _)| key != name);
        before != self.0.len()
    }
}

/// The object as JSON.
impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            let name = serde_json::to_string(name).map_err(|_| fmt::Error)?;
            write!(f, "{}{name}:{value}", if at > 0 { "," } else { "" })?;
        }
        f.write_str("}")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.0.push((name.0, Cow::Borrowed(value.get())));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_stays_byte_for_byte() {
        let object = r#"{ "a" : 1.50e2, "\u00e4" : [ 1 ,2], "b":{"x": "\u0041"} }"#;
        let mut fields = Fields::parse(object.as_bytes()).unwrap();
        fields.set("new", "true".to_owned());
        fields.set("b", "null".to_owned());
        assert_eq!(fields.to_string(), r#"{"a":1.50e2,"ä":[ 1 ,2],"b":null,"new":true}"#);
        assert!(fields.remove("a") && !fields.remove("a"));
        fields.set_if_missing("new", || "false".to_owned());
        assert_eq!(fields.get("new"), Some("true"));
        assert_eq!(fields.to_string(), r#"{"ä":[ 1 ,2],"b":null,"new":true}"#);
    }

    #[test]
    fn what_is_no_object_is_none() {
        assert!(["[1]", "1", "null", "{", ""].iter().all(|text| Fields::parse(text.as_bytes()).is_none()));
    }
}
