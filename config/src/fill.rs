//! What a written text stands for: `${VAR}` in every string, and `@/path` where a value may be a secret.

use std::collections::BTreeSet;
use std::path::PathBuf;

use figment::value::{Dict, Value};

use crate::Secrets;
use crate::error::Fault;
use crate::expand::{ExpandError, Sources, expand};
use crate::key_path::{KeyPath, Step};
use crate::value_file;

/// Tables whose values may be files, whoever's format it is.
const MAPS: [&str; 2] = ["env", "headers"];
/// Keys whose value may be one.
const KEYS: [&str; 3] = ["client_id", "client_secret", "state_key"];

/// Fills in the texts of one layer.
pub(crate) struct Fill<'a, 'v> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<&'v str>,
    /// Whether `${…}` is replaced: not in what the environment and flags say.
    pub(crate) expands: bool,
    pub(crate) secrets: &'a mut Secrets,
    pub(crate) files: &'a mut BTreeSet<PathBuf>,
    pub(crate) faults: &'a mut Vec<Fault>,
}

impl Fill<'_, '_> {
    pub(crate) fn table(&mut self, dict: &mut Dict, at: &KeyPath) {
        for (key, value) in dict {
            self.value(value, &at.key(key));
        }
    }

    fn value(&mut self, value: &mut Value, at: &KeyPath) {
        match value {
            Value::Dict(_, dict) => self.table(dict, at),
            Value::Array(_, list) => {
                for (index, value) in list.iter_mut().enumerate() {
                    self.value(value, &at.index(index));
                }
            }
            Value::String(_, text) if text.contains(['$', '@']) => match self.text(text, at) {
                Ok(filled) => *text = filled,
                Err(error) => self.faults.push(Fault::new(at.clone(), error.to_string(), error.hint())),
            },
            _ => {}
        }
    }

    fn text(&mut self, text: &str, at: &KeyPath) -> Result<String, ExpandError> {
        if !may_be_a_file(at) {
            return self.expanded(text);
        }
        // As it is written: what a variable holds is never looked at again.
        match text.strip_prefix('@') {
            Some(rest) if names_a_file(rest, self.expands) => {
                let path = self.expanded(rest)?;
                self.file(&path)
            }
            Some(rest) if rest.strip_prefix('@').is_some_and(|rest| names_a_file(rest, self.expands)) => {
                self.expanded(rest)
            }
            _ => self.expanded(text),
        }
    }

    fn expanded(&mut self, text: &str) -> Result<String, ExpandError> {
        if !self.expands {
            return Ok(text.to_owned());
        }
        let mut read = BTreeSet::new();
        let mut file = |path: &str| {
            read.insert(PathBuf::from(path));
            value_file::read(path)
        };
        let expanded = expand(text, &mut Sources { variable: self.variable, file: &mut file });
        self.files.extend(read);
        let expanded = expanded?;
        expanded.values.into_iter().for_each(|value| self.secrets.add(value));
        Ok(expanded.text)
    }

    fn file(&mut self, path: &str) -> Result<String, ExpandError> {
        self.files.insert(path.into());
        let value = value_file::read(path)?;
        self.secrets.add(value.clone());
        Ok(value)
    }
}

/// After the `@`: a path, or what becomes one.
fn names_a_file(rest: &str, expands: bool) -> bool {
    rest.starts_with('/') || expands && rest.starts_with("${")
}

fn may_be_a_file(at: &KeyPath) -> bool {
    let key = |back: usize| match at.0.iter().rev().nth(back) {
        Some(Step::Key(key)) => key.as_str(),
        _ => "",
    };
    MAPS.contains(&key(1)) || KEYS.contains(&key(0))
}
