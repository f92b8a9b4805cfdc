//! Unknown keys are refused, with the one that was probably meant.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use crate::error::Fault;
use crate::key_path::KeyPath;
use crate::nearest::{nearest, suggest};
use crate::shipped::{OVERRIDES, Shape};

/// Every key of `dict` that does not exist, and every table that is none.
pub(crate) fn unknown_keys(dict: &Dict, shape: &Shape) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Shape::Table(keys) = shape {
        Walk { top: keys, faults: &mut faults }.table(dict, keys, &KeyPath::default());
    }
    faults
}

struct Walk<'a> {
    top: &'a BTreeMap<String, Shape>,
    faults: &'a mut Vec<Fault>,
}

impl Walk<'_> {
    fn table(&mut self, dict: &Dict, keys: &BTreeMap<String, Shape>, at: &KeyPath) {
        for (key, value) in dict {
            match keys.get(key) {
                Some(shape) => self.value(value, shape, &at.key(key)),
                None => self.unknown(key, keys, at),
            }
        }
    }

    fn value(&mut self, value: &Value, shape: &Shape, at: &KeyPath) {
        match (shape, value) {
            (Shape::Leaf, _) | (Shape::Open, Value::Dict(..)) => {}
            (Shape::Table(keys), Value::Dict(_, dict)) => self.table(dict, keys, at),
            (Shape::Named(inner), Value::Dict(_, dict)) => {
                for (name, value) in dict {
                    self.value(value, inner, &at.key(name));
                }
            }
            (Shape::List(inner), Value::Array(_, list)) => {
                for (index, value) in list.iter().enumerate() {
                    self.value(value, inner, &at.index(index));
                }
            }
            (Shape::List(_), _) => {
                self.faults.push(Fault::new(at.clone(), "this is a list", "write it as [{ … }, { … }]"));
            }
            (Shape::Table(_) | Shape::Named(_) | Shape::Open, _) => {
                let hint = format!("write [{at}] and its keys below, or {{ key = value }}");
                self.faults.push(Fault::new(at.clone(), "this is a table of settings, not one value", hint));
            }
        }
    }

    fn unknown(&mut self, key: &str, keys: &BTreeMap<String, Shape>, at: &KeyPath) {
        let hint = match nearest(key, keys.keys().map(String::as_str)) {
            Some(_) => suggest(key, keys.keys().map(String::as_str)),
            None => self.elsewhere(key, at).unwrap_or_else(|| suggest(key, keys.keys().map(String::as_str))),
        };
        self.faults.push(Fault::new(at.key(key), "unknown key", hint));
    }

    /// A right key in the wrong place.
    fn elsewhere(&self, key: &str, at: &KeyPath) -> Option<String> {
        let in_backend = at.keys().is_some_and(|keys| keys.first() == Some(&"backends"));
        let mut sections = self.top.iter().filter_map(|(name, shape)| match shape {
            Shape::Table(keys) => Some((name, keys)),
            _ => None,
        });
        let (section, _) = sections.find(|(name, keys)| {
            keys.contains_key(key) && (!in_backend || OVERRIDES.contains(&name.as_str()))
        })?;
        match (in_backend, section.as_str()) {
            (true, _) => Some(format!("in a backend, write {section}.{key} = …")),
            (false, "backend_defaults") => Some(format!("it belongs in [backends.NAME] or [{section}]")),
            (false, _) => Some(format!("it belongs in [{section}]")),
        }
    }
}
