//! One place that settings come from, and all of them in order.

use std::path::PathBuf;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use crate::error::{Fault, Note, Problem, Remark};
use crate::key_path::{KeyPath, Step};
use crate::position::Positions;

/// Where a layer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `default.toml`
    Shipped,
    /// A file, or standard input (`-`).
    File(PathBuf),
    /// An environment variable, by its name.
    Variable(String),
    /// A flag of the command line, as `--set` or `--listen`.
    Flag(&'static str),
}

/// The settings of one place, in mcpvisor's own terms.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) origin: Origin,
    pub(crate) dict: Dict,
    pub(crate) positions: Positions,
    /// Our path to the path as written, for what an import translated.
    pub(crate) aliases: Vec<(KeyPath, KeyPath)>,
}

/// All places, the weakest first.
#[derive(Debug, Default)]
pub(crate) struct Layers(pub(crate) Vec<Layer>);

impl Layer {
    /// A layer without a file.
    pub(crate) fn plain(origin: Origin, dict: Dict) -> Self {
        Self { origin, dict, positions: Positions::default(), aliases: Vec::new() }
    }

    /// A fault of this layer, with its place.
    pub(crate) fn problem(&self, fault: Fault) -> Problem {
        let (file, line, key) = self.place(&fault.at);
        Problem { file, line, key, what: self.with_origin(fault.what), hint: fault.hint }
    }

    /// A remark on this layer, with its place.
    pub(crate) fn note(&self, remark: Remark) -> Note {
        let (file, line, key) = self.place(&remark.at);
        Note { kind: remark.kind, file, line, key, what: self.with_origin(remark.what) }
    }

    fn place(&self, at: &KeyPath) -> (Option<PathBuf>, Option<usize>, String) {
        let written = self.as_written(at);
        let file = match &self.origin {
            Origin::File(path) => Some(path.clone()),
            _ => None,
        };
        (file, self.positions.line(&written), written.to_string())
    }

    fn as_written(&self, at: &KeyPath) -> KeyPath {
        let longest = self
            .aliases
            .iter()
            .filter(|(ours, _)| at.0.starts_with(&ours.0))
            .max_by_key(|(ours, _)| ours.0.len());
        longest.and_then(|(ours, theirs)| at.rebased(ours, theirs)).unwrap_or_else(|| at.clone())
    }

    fn with_origin(&self, what: String) -> String {
        match &self.origin {
            Origin::Variable(name) => format!("{what} (from {name})"),
            Origin::Flag(flag) => format!("{what} (from {flag})"),
            Origin::Shipped | Origin::File(_) => what,
        }
    }
}

impl Layers {
    /// Everything merged: tables key by key, all else replaced by the later one.
    pub(crate) fn merged(&self) -> Result<Dict, Box<figment::Error>> {
        self.0.iter().fold(Figment::new(), |figment, layer| figment.merge(layer)).extract().map_err(Box::new)
    }

    /// A fault of the merged settings, at the place that had the last word on it.
    pub(crate) fn problem(&self, fault: Fault) -> Problem {
        match self.origin_of(&fault.at) {
            Some(layer) => layer.problem(fault),
            None => Problem {
                file: None,
                line: None,
                key: fault.at.to_string(),
                what: fault.what,
                hint: fault.hint,
            },
        }
    }

    /// A remark on the merged settings, likewise.
    pub(crate) fn note(&self, remark: Remark) -> Note {
        match self.origin_of(&remark.at) {
            Some(layer) => layer.note(remark),
            None => Note {
                kind: remark.kind,
                file: None,
                line: None,
                key: remark.at.to_string(),
                what: remark.what,
            },
        }
    }

    /// Whether the user set this, anywhere.
    pub(crate) fn user_set(&self, path: &KeyPath) -> bool {
        self.0.iter().any(|layer| layer.origin != Origin::Shipped && has(&layer.dict, path))
    }

    /// The user's last layer that says something about `path`, or about what is around it.
    fn origin_of(&self, path: &KeyPath) -> Option<&Layer> {
        (1..=path.0.len()).rev().find_map(|count| {
            let path = path.first(count);
            self.0.iter().rev().find(|layer| layer.origin != Origin::Shipped && has(&layer.dict, &path))
        })
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("{:?}", self.origin))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

fn has(dict: &Dict, path: &KeyPath) -> bool {
    let Some((Step::Key(first), rest)) = path.0.split_first() else { return false };
    let Some(mut value) = dict.get(first) else { return false };
    for step in rest {
        let inner = match (step, value) {
            (Step::Key(key), Value::Dict(_, dict)) => dict.get(key),
            (Step::Index(index), Value::Array(_, list)) => list.get(*index),
            _ => None,
        };
        let Some(inner) = inner else { return false };
        value = inner;
    }
    true
}

/// Sets the value at a path of keys, making the tables on the way.
pub(crate) fn insert(dict: &mut Dict, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        dict.insert((*first).to_owned(), value);
        return;
    }
    let entry = dict.entry((*first).to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if !matches!(entry, Value::Dict(..)) {
        *entry = Value::from(Dict::new());
    }
    if let Value::Dict(_, inner) = entry {
        insert(inner, rest, value);
    }
}
