//! The whole way: sources, expansion, import, layers, types, checks.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use figment::value::{Dict, Value};

use crate::check::{check, remarks::remarks as said};
use crate::environment;
use crate::error::{ConfigErrors, Fault, Note, Problem};
use crate::fill::Fill;
use crate::import::{Import, import};
use crate::key_path::KeyPath;
use crate::known::unknown_keys;
use crate::layer::{Layer, Layers, Origin};
use crate::parse::{Format, parse};
use crate::position::Positions;
use crate::resolve::Resolve;
use crate::shipped;
use crate::{Config, LoadRequest, Secrets, Source, jsonc};

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, complete and checked.
    pub config: Config,
    /// The files read, in order (`-` for standard input); empty when none was given or found.
    pub sources: Vec<PathBuf>,
    /// What to tell the user besides.
    pub notes: Vec<Note>,
    /// The files that values were read from (`@/run/secrets/x`): a change of one takes effect at the next load.
    pub value_files: BTreeSet<PathBuf>,
}

/// What gathers on the way.
#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    notes: Vec<Note>,
    secrets: Secrets,
    files: BTreeSet<PathBuf>,
}

impl Found {
    /// Fills in texts, and keeps what that brings in.
    fn fill<'a, 'v>(
        &'a mut self,
        variable: &'a dyn Fn(&str) -> Option<&'v str>,
        expands: bool,
        faults: &'a mut Vec<Fault>,
    ) -> Fill<'a, 'v> {
        Fill { variable, expands, secrets: &mut self.secrets, files: &mut self.files, faults }
    }

    /// Adds what later steps found, but for what only follows from a problem at the same place.
    fn add_later(&mut self, later: impl Iterator<Item = Problem>) {
        let known: HashSet<_> =
            self.problems.iter().map(|problem| (problem.file.clone(), problem.key.clone())).collect();
        self.problems
            .extend(later.filter(|problem| !known.contains(&(problem.file.clone(), problem.key.clone()))));
    }
}

/// Loads, merges and checks a configuration.
///
/// Order, the later over the earlier: shipped defaults, files, environment, `sets`, `listen` and `admin_listen`.
///
/// # Errors
/// All problems of all sources at once, each with its place and what would be right.
pub fn load(request: LoadRequest) -> Result<Loaded, ConfigErrors> {
    let defaults = shipped::defaults().map_err(|error| internal(error.what))?;
    let shape = shipped::shape(&defaults);
    let mut found = Found::default();
    let sources = request.sources();
    let mut layers = vec![Layer::plain(Origin::Shipped, defaults)];
    for source in &sources {
        layers.extend(read_source(source, &request, &mut found));
    }
    let names: Vec<String> = layers.iter().flat_map(|layer| backend_names(&layer.dict)).collect();
    let mut flag_faults = Vec::new();
    let mut others = environment::variables(&request, &names);
    others.extend(environment::flags(&request, &mut flag_faults));
    for mut layer in others {
        let mut faults = Vec::new();
        found.fill(&|_| None, false, &mut faults).table(&mut layer.dict, &KeyPath::default());
        found.problems.extend(faults.into_iter().map(|fault| layer.problem(fault)));
        layers.push(layer);
    }
    found.problems.extend(flag_faults.into_iter().map(|fault| Layers::default().problem(fault)));
    let mut unreadable = Vec::new();
    for layer in layers.iter().filter(|layer| layer.origin != Origin::Shipped) {
        let unknown = unknown_keys(&layer.dict, &shape);
        found.problems.extend(unknown.iter().cloned().map(|fault| layer.problem(fault)));
        unreadable.extend(unknown);
    }

    let layers = Layers(layers);
    let merged = layers.merged().map_err(|error| internal(error.to_string()))?;
    let user_set = |path: &KeyPath| layers.user_set(path);
    let secrets = std::mem::take(&mut found.secrets);
    let resolve = Resolve { merged: &merged, request: &request, secrets, user_set: &user_set };
    let (config, mistyped) = resolve.config();
    unreadable.extend(mistyped.iter().cloned());
    let wrong = check(&config, &unreadable, &user_set);
    let faults = mistyped.into_iter().chain(wrong);
    found.add_later(faults.map(|fault| layers.problem(fault)));
    found.notes.extend(said(&config, &user_set).into_iter().map(|remark| layers.note(remark)));
    if found.problems.is_empty() {
        let sources = sources.iter().map(|source| source.name().to_owned()).collect();
        return Ok(Loaded { config, sources, notes: found.notes, value_files: found.files });
    }
    Err(ConfigErrors(in_order(found.problems, &sources)))
}

fn read_source(source: &Source, request: &LoadRequest, found: &mut Found) -> Option<Layer> {
    let text = match source.read() {
        Ok(text) => text,
        Err(problem) => {
            found.problems.push(*problem);
            return None;
        }
    };
    let format = Format::of(source.name(), &text);
    let text = if format == Format::Json { jsonc::to_json(&text) } else { text };
    let mut dict = match parse(&text, format) {
        Ok(dict) => dict,
        Err(error) => {
            let file = Some(source.name().to_owned());
            let problem =
                Problem { file, line: error.line, key: String::new(), what: error.what, hint: error.hint };
            found.problems.push(problem);
            return None;
        }
    };
    let variable = |name: &str| request.variable(name);
    let mut faults = Vec::new();
    found.fill(&variable, true, &mut faults).table(&mut dict, &KeyPath::default());

    let mut layer = Layer::plain(Origin::File(source.name().to_owned()), Dict::new());
    layer.positions = Positions::of(&text, format);
    for repeated in layer.positions.repeated() {
        faults.push(Fault::new(repeated, "given twice", "keep one of them"));
    }
    // Foreign files are JSON; in TOML and YAML the same keys would be somebody's mistake.
    let foreign = if format == Format::Json { import(&dict, &variable) } else { None };
    let mut remarks = Vec::new();
    match foreign {
        Some(Import { dict, aliases, faults: import_faults, remarks: import_remarks }) => {
            layer.dict = dict;
            layer.aliases = aliases;
            faults.extend(import_faults);
            remarks = import_remarks;
        }
        None => layer.dict = dict,
    }
    found.problems.extend(faults.into_iter().map(|fault| layer.problem(fault)));
    found.notes.extend(remarks.into_iter().map(|remark| layer.note(remark)));
    Some(layer)
}

fn backend_names(dict: &Dict) -> Vec<String> {
    let backends = dict.get("backends").and_then(Value::as_dict);
    backends.map(|backends| backends.keys().cloned().collect()).unwrap_or_default()
}

/// By file as given, then by line; what belongs to no file last.
fn in_order(mut problems: Vec<Problem>, sources: &[Source]) -> Vec<Problem> {
    let file_order = |problem: &Problem| {
        let position = sources.iter().position(|source| Some(source.name()) == problem.file.as_deref());
        position.unwrap_or(usize::MAX)
    };
    problems.sort_by_key(|problem| (file_order(problem), problem.line));
    problems.dedup();
    problems
}

/// The shipped defaults are tested: this is a bug of ours.
fn internal(what: String) -> ConfigErrors {
    let hint = "this is a bug of mcpvisor: please report it".into();
    ConfigErrors(vec![Problem { file: None, line: None, key: String::new(), what, hint }])
}
