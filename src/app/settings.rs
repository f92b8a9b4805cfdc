//! The configuration of a run: what the user has, else the built-in demo.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use mcpvisor_actors::Unconfinable;
use mcpvisor_config::{Config, ConfigErrors, LoadRequest, Loaded, Note, NoteKind, Problem, Source, load};

use super::Failure;
use crate::cli::CONFINE;
use crate::tls::{self, Material};

/// The name of the built-in backend.
pub(super) const DEMO: &str = "demo";

/// Where configuration comes from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArguments {
    /// Configuration file (TOML, JSON or YAML; an mcp.json as it is); - reads standard input. Repeatable: the
    /// later wins
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// One setting, over all files, such as pool.idle_timeout=10m. Repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// What the service runs on.
pub struct Settings {
    /// Complete and checked.
    pub config: Arc<Config>,
    /// The files read, in order; empty for the built-in demo.
    pub sources: Vec<PathBuf>,
    /// What to tell the user.
    pub notes: Vec<Note>,
    /// Whether the built-in demo is served, for want of a configuration.
    pub demo: bool,
    /// The files that values and certificates were read from.
    pub value_files: BTreeSet<PathBuf>,
    /// What the listeners shake hands with, the main one first.
    pub tls: [Option<Material>; 2],
    /// What they were loaded from, to be loaded again.
    pub request: LoadRequest,
}

impl Settings {
    /// The files whose change changes what is loaded.
    pub fn watched(&self) -> BTreeSet<PathBuf> {
        self.request.watched().into_iter().chain(self.value_files.iter().cloned()).collect()
    }
}

/// Loads what was named, else what is found in the usual places, else the built-in demo.
///
/// # Errors
/// Every problem of the configuration at once.
pub fn load_or_demo(
    wanted: &ConfigArguments,
    listen: Option<String>,
    admin_listen: Option<String>,
) -> Result<Settings, Failure> {
    let sources = wanted.files.iter().map(|file| Source::from_argument(file)).collect::<Result<Vec<_>, _>>();
    let request = LoadRequest {
        files: sources.context("cannot read standard input")?,
        search: true,
        folder: PathBuf::new(),
        env: environment(),
        sets: wanted.sets.clone(),
        listen,
        admin_listen,
    };
    load_again(request)
}

/// The same once more, from the same places.
///
/// # Errors
/// Every problem of the configuration at once.
pub fn load_again(request: LoadRequest) -> Result<Settings, Failure> {
    let loaded = load(request.clone())?;
    refuse_what_cannot_be(&loaded.config)?;
    if !loaded.sources.is_empty() || !loaded.config.backends.is_empty() {
        return settings(loaded, request, false);
    }
    let demo = load(LoadRequest { files: vec![demo_source()?], ..request.clone() })?;
    settings(Loaded { sources: Vec::new(), ..demo }, request, true)
}

/// With what the listeners are to shake hands with.
fn settings(loaded: Loaded, request: LoadRequest, demo: bool) -> Result<Settings, Failure> {
    let Loaded { config, sources, mut notes, mut value_files } = loaded;
    let tls = tls::read(&config.gateway).map_err(ConfigErrors)?;
    let worth_a_word = |note: &&Note| note.kind == NoteKind::Warning;
    notes.extend(tls.iter().flatten().map(|material| &material.note).filter(worth_a_word).cloned());
    for tls in [&config.gateway.tls, &config.gateway.admin_tls].into_iter().flatten() {
        value_files.extend([&tls.cert, &tls.key].into_iter().chain(&tls.client_ca).cloned());
    }
    Ok(Settings { config: Arc::new(config), sources, notes, demo, value_files, tls, request })
}

/// A server that was to be kept from something is not started where it cannot be, and that is better said now than to its users.
///
/// # Errors
/// What of the configuration this machine, or this user of it, cannot do.
fn refuse_what_cannot_be(config: &Config) -> Result<(), Failure> {
    let problem = |refused: Unconfinable| Problem {
        file: None,
        line: None,
        key: format!("backends.{}.{}", refused.backend, refused.key),
        what: refused.reason,
        hint: String::new(),
    };
    let refused = mcpvisor_actors::unconfinable(config, &[CONFINE.into()]);
    let problems: Vec<Problem> = refused.into_iter().map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(ConfigErrors(problems).into()) }
}

/// A backend that runs this very program.
fn demo_source() -> Result<Source, Failure> {
    let program =
        std::env::current_exe().context("cannot find the path of this program, to run its demo server")?;
    let program = serde_json::to_string(&program.to_string_lossy().replace("${", "$${"))
        .context("the path of this program is no text")?;
    let text = format!("[backends.{DEMO}]\ncommand = {program}\nargs = [\"demo-server\"]\n");
    Ok(Source::Text { name: "built-in demo".into(), text })
}

/// Names and values that are no UTF-8 cannot be configuration.
fn environment() -> Vec<(String, String)> {
    let text = |value: &OsStr| value.to_str().map(str::to_owned);
    std::env::vars_os().filter_map(|(name, value)| Some((text(&name)?, text(&value)?))).collect()
}
