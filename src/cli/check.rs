//! `mcpvisor check`

use mcpvisor_config::{memory_report, to_toml_redacted};

use super::print;
use crate::app::Outcome;
use crate::app::settings::{self, ConfigArguments};

/// Prints the effective configuration on standard output, with the memory that its limits come to as a comment, and what to
/// know about it on standard error.
///
/// # Errors
/// Every problem of the configuration at once.
pub fn run(wanted: &ConfigArguments) -> Outcome {
    let settings = settings::load_or_demo(wanted, None, None)?;
    for note in &settings.notes {
        eprintln!("note: {note}");
    }
    for note in settings.tls.iter().flatten().map(|material| &material.note) {
        if !settings.notes.contains(note) {
            eprintln!("note: {note}");
        }
    }
    if settings.demo {
        eprintln!("note: no configuration found: this is the built-in demo");
    }
    for source in &settings.sources {
        eprintln!(
            "read: {}",
            if source.as_os_str() == "-" { "standard input".into() } else { source.display().to_string() }
        );
    }
    let memory: String = memory_report(&settings.config).lines().map(|line| format!("# {line}\n")).collect();
    print(&format!("{}\n{memory}", to_toml_redacted(&settings.config)))
}
