//! Typed values out of merged settings. What is wrong is noted and reading goes on, so that all problems of a
//! file come out at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use figment::value::{Dict, Num, Value};

use crate::error::Fault;
use crate::key_path::KeyPath;
use crate::nearest::nearest;
use crate::units::{parse_duration, parse_size};

/// Reads one table, with another one under it for the keys it does not have.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    dict: Option<&'a Dict>,
    /// Faults in here are not noted: they are when this table itself is read.
    under: Option<&'a Dict>,
    at: KeyPath,
    faults: &'a RefCell<Vec<Fault>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(dict: &'a Dict, faults: &'a RefCell<Vec<Fault>>) -> Self {
        Self { dict: Some(dict), under: None, at: KeyPath::default(), faults }
    }

    /// The table at `key`; one that is absent or no table reads as empty.
    pub(crate) fn table(&self, key: &str) -> Self {
        let inner = |dict: Option<&'a Dict>| dict.and_then(|dict| dict.get(key)).and_then(Value::as_dict);
        Self { dict: inner(self.dict), under: inner(self.under), at: self.at.key(key), faults: self.faults }
    }

    /// The same with the table of `base` under it.
    pub(crate) fn over(self, base: &Self) -> Self {
        Self { under: base.dict, ..self }
    }

    pub(crate) fn at(&self) -> &KeyPath {
        &self.at
    }

    /// The names of its own keys, without those under it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.dict.into_iter().flat_map(|dict| dict.keys()).map(String::as_str)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.dict.is_some_and(|dict| dict.contains_key(key))
    }

    pub(crate) fn fault(&self, key: &str, what: impl Into<String>, hint: impl Into<String>) {
        self.fault_at(self.at.key(key), what, hint);
    }

    pub(crate) fn fault_at(&self, at: KeyPath, what: impl Into<String>, hint: impl Into<String>) {
        self.faults.borrow_mut().push(Fault::new(at, what, hint));
    }

    pub(crate) fn duration(&self, key: &str) -> Duration {
        let hint = r#"write it as "250ms", "10s", "5m" or "1h30m"; "0s" is none"#;
        self.parsed(key, Duration::ZERO, hint, |value| match value {
            Value::String(_, text) => parse_duration(text),
            Value::Num(_, num) if whole(*num) == Some(0) => Ok(Duration::ZERO),
            Value::Num(..) => Err("a number without a unit".into()),
            other => Err(not("a duration", other)),
        })
    }

    pub(crate) fn size(&self, key: &str) -> usize {
        let hint = r#"write it as "64KiB", "16MiB", "4MB", or a number of bytes"#;
        self.parsed(key, 0, hint, |value| match value {
            Value::String(_, text) => parse_size(text),
            Value::Num(_, num) => {
                whole(*num).and_then(|bytes| usize::try_from(bytes).ok()).ok_or("not a size".into())
            }
            other => Err(not("a size", other)),
        })
    }

    pub(crate) fn count(&self, key: &str) -> usize {
        self.whole_number(key, usize::MAX as u64) as usize
    }

    pub(crate) fn count_u32(&self, key: &str) -> u32 {
        self.whole_number(key, u64::from(u32::MAX)) as u32
    }

    /// A whole number that may be negative.
    pub(crate) fn signed(&self, key: &str) -> i32 {
        self.parsed(key, 0, "write a whole number, such as 10 or -5", |value| {
            let number: Option<i128> = match value {
                Value::Num(_, num) => num.to_i128().or_else(|| num.to_u128()?.try_into().ok()),
                Value::String(_, text) => text.trim().parse().ok(),
                _ => None,
            };
            let number = number.ok_or_else(|| not("a whole number", value))?;
            number.try_into().map_err(|_| "too large".into())
        })
    }

    pub(crate) fn share(&self, key: &str) -> f64 {
        self.parsed(key, 0.0, "write a number from 0.0 to 1.0, such as 0.5", |value| {
            let number = match value {
                Value::Num(_, num) => num.to_f64().or_else(|| whole(*num).map(|whole| whole as f64)),
                Value::String(_, text) => text.trim().parse().ok(),
                _ => None,
            };
            match number {
                Some(number) if (0.0..=1.0).contains(&number) => Ok(number),
                Some(_) => Err("outside 0 to 1".into()),
                None => Err(not("a number", value)),
            }
        })
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.parsed(key, false, "write true or false", |value| match value {
            Value::Bool(_, flag) => Ok(*flag),
            Value::String(_, text) if text == "true" => Ok(true),
            Value::String(_, text) if text == "false" => Ok(false),
            other => Err(not("true or false", other)),
        })
    }

    /// A text. The value itself is never shown: it may be a secret.
    pub(crate) fn text(&self, key: &str) -> String {
        self.parsed(key, String::new(), "write it in quotes: \"…\"", |value| match value {
            Value::String(_, text) => Ok(text.clone()),
            other => Err(not("a text", other)),
        })
    }

    /// One of the given words.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&'static str, T)]) -> Option<T> {
        let (value, own) = self.value(key)?;
        let words = choices.iter().map(|(word, _)| *word);
        let text = value.as_str();
        if let Some((_, choice)) = choices.iter().find(|(word, _)| Some(*word) == text) {
            return Some(*choice);
        }
        if own {
            let all: Vec<_> = words.clone().map(|word| format!("{word:?}")).collect();
            let near = text.and_then(|text| nearest(text, words));
            let hint = match near {
                Some(near) => format!("did you mean {near:?}? possible: {}", all.join(", ")),
                None => format!("write one of {}", all.join(", ")),
            };
            self.fault(key, "not one of the possible values", hint);
        }
        None
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        let Some((value, own)) = self.value(key) else { return Vec::new() };
        let Value::Array(_, list) = value else {
            if own {
                self.fault(key, not("a list", value), "write it as [\"…\", \"…\"]");
            }
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            match value.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None if own => self.fault_at(
                    self.at.key(key).index(index),
                    not("a text", value),
                    "write it in quotes, numbers too: \"8080\"",
                ),
                None => {}
            }
        }
        texts
    }

    /// Names to texts; numbers and booleans are taken as written. What is under it stays, name by name.
    pub(crate) fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        let base = self.under.and_then(|dict| dict.get(key)).and_then(Value::as_dict);
        let own = self.dict.and_then(|dict| dict.get(key)).and_then(Value::as_dict);
        let mut map = BTreeMap::new();
        for (dict, loud) in [(base, false), (own, true)] {
            for (name, value) in dict.into_iter().flatten() {
                match scalar(value) {
                    Some(text) => {
                        map.insert(name.clone(), text);
                    }
                    None if loud => self.fault_at(
                        self.at.key(key).key(name),
                        not("a text", value),
                        "write it in quotes: \"…\"",
                    ),
                    None => {}
                }
            }
        }
        map
    }

    /// Content that is passed on as it is.
    pub(crate) fn json(&self, key: &str) -> serde_json::Value {
        let value = self.value(key).and_then(|(value, _)| serde_json::to_value(value).ok());
        value.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new()))
    }

    /// The tables of a list.
    pub(crate) fn tables(&self, key: &str) -> Vec<Self> {
        let list = self.value(key).and_then(|(value, _)| value.as_array()).unwrap_or_default();
        let reader = |(index, value): (usize, &'a Value)| Self {
            dict: value.as_dict(),
            under: None,
            at: self.at.key(key).index(index),
            faults: self.faults,
        };
        list.iter().enumerate().map(reader).collect()
    }

    fn whole_number(&self, key: &str, most: u64) -> u64 {
        self.parsed(key, 0, "write a whole number, 0 or more", |value| {
            let number = match value {
                Value::Num(_, num) => whole(*num),
                Value::String(_, text) => text.trim().parse().ok(),
                _ => None,
            };
            match number {
                Some(number) if number <= most => Ok(number),
                Some(_) => Err("too large".into()),
                None => Err(not("a whole number", value)),
            }
        })
    }

    fn parsed<T>(
        &self,
        key: &str,
        fallback: T,
        hint: &str,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> T {
        let Some((value, own)) = self.value(key) else { return fallback };
        match parse(value) {
            Ok(parsed) => parsed,
            Err(what) => {
                if own {
                    self.fault(key, what, hint);
                }
                fallback
            }
        }
    }

    /// The value and whether it stands in this table, not under it.
    fn value(&self, key: &str) -> Option<(&'a Value, bool)> {
        let own = self.dict.and_then(|dict| dict.get(key)).map(|value| (value, true));
        own.or_else(|| self.under.and_then(|dict| dict.get(key)).map(|value| (value, false)))
    }
}

fn whole(num: Num) -> Option<u64> {
    match num.to_u128() {
        Some(number) => u64::try_from(number).ok(),
        None => num.to_i128().and_then(|number| u64::try_from(number).ok()),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, num) => match (num.to_i128(), num.to_u128(), num.to_f64()) {
            (Some(number), ..) => Some(number.to_string()),
            (_, Some(number), _) => Some(number.to_string()),
            (.., Some(number)) => Some(number.to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn not(expected: &str, found: &Value) -> String {
    let found = match found {
        Value::String(..) => "a text",
        Value::Char(..) => "a character",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "nothing",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    };
    match expected == found {
        true => format!("not {expected} as needed here"),
        false => format!("{found} where {expected} belongs"),
    }
}
