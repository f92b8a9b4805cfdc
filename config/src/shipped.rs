//! `default.toml`, compiled in: the one source of defaults and of which keys exist.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use crate::parse::{Format, SyntaxError, parse};

/// The shipped `default.toml`: every key with its default and one comment each.
pub const DEFAULT_TOML: &str = include_str!("../default.toml");

/// Section of `default.toml` that is no setting.
pub(crate) const SLOW_STARTERS: &str = "slow_starters";
/// Sections whose keys a backend may override.
pub(crate) const OVERRIDES: [&str; 4] = ["pool", "backoff", "timeouts", "limits"];

/// Which keys may stand where.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// One value.
    Leaf,
    /// A table of names that users choose, or content that is passed on.
    Open,
    /// A table of these keys.
    Table(BTreeMap<String, Shape>),
    /// A table of names that users choose, each of this shape.
    Named(Box<Shape>),
    /// A list of this shape.
    List(Box<Shape>),
}

/// The defaults as values.
pub(crate) fn defaults() -> Result<Dict, SyntaxError> {
    parse(DEFAULT_TOML, Format::Toml)
}

/// The keys that exist, from the defaults.
pub(crate) fn shape(defaults: &Dict) -> Shape {
    let mut sections = table(defaults);
    sections.remove(SLOW_STARTERS);
    let mut backend = match sections.get("backend_defaults") {
        Some(Shape::Table(keys)) => keys.clone(),
        _ => BTreeMap::new(),
    };
    for key in ["command", "container", "url"] {
        backend.insert(key.to_owned(), Shape::Leaf);
    }
    for section in OVERRIDES {
        backend.extend(sections.get(section).map(|shape| (section.to_owned(), shape.clone())));
    }
    sections.insert("backends".to_owned(), Shape::Named(Box::new(Shape::Table(backend))));
    if let Some(Shape::Table(auth)) = sections.get_mut("auth") {
        let key = ["id", "sha256", "env"].map(|name| (name.to_owned(), Shape::Leaf));
        for list in ["keys", "admin_keys"] {
            auth.insert(list.to_owned(), Shape::List(Box::new(Shape::Table(key.clone().into()))));
        }
        let rule = ["principals", "backends", "tools"].map(|name| (name.to_owned(), Shape::Leaf));
        auth.insert("rules".to_owned(), Shape::List(Box::new(Shape::Table(rule.into()))));
    }
    Shape::Table(sections)
}

fn table(dict: &Dict) -> BTreeMap<String, Shape> {
    let of = |value: &Value| match value {
        Value::Dict(_, inner) if inner.is_empty() => Shape::Open,
        Value::Dict(_, inner) => Shape::Table(table(inner)),
        _ => Shape::Leaf,
    };
    dict.iter().map(|(key, value)| (key.clone(), of(value))).collect()
}
