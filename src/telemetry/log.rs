//! Log lines on standard error.

use std::io::{IsTerminal, Stderr};

use anyhow::anyhow;
use mcpvisor_config::{LogFormat, Telemetry};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::fmt::time::SystemTime;

use crate::app::Failure;

/// The actor library reports its own comings and goings at info; ours say the same with names people know.
const QUIET: &str = "ractor=warn";

/// Sends log lines to standard error from now on. `RUST_LOG` wins over `telemetry.log_level`.
///
/// # Errors
/// Either of them is no filter.
pub fn install(wanted: &Telemetry) -> Result<(), Failure> {
    let from_environment = from_environment();
    let (name, directives) = match &from_environment {
        Some(text) => ("RUST_LOG", text.as_str()),
        None => ("telemetry.log_level", wanted.log_level.as_str()),
    };
    let filter = filter(directives).map_err(|error| {
        Failure::Usage(format!(
            "{name}: '{directives}' is no log filter: {error}\n    \
             write error, warn, info, debug, trace, or targets such as info,mcpvisor_actors=debug"
        ))
    })?;
    let lines = lines().with_env_filter(filter).with_timer(SystemTime);
    let installed = match wanted.log_format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
        LogFormat::Text => lines.with_ansi(colours()).try_init(),
    };
    installed.map_err(|error| Failure::Runtime(anyhow!("cannot install the log: {error}")))
}

/// The same for the short commands: silent unless `RUST_LOG` asks, since they print what they have to say.
pub fn install_if_asked() {
    if let Some(Ok(filter)) = from_environment().map(|directives| filter(&directives)) {
        let _ = lines().with_env_filter(filter).with_ansi(colours()).try_init();
    }
}

/// A line that cannot be written (a full disk, a collector that has gone) is lost, and nothing else: by default it would be
/// reported on the same standard error, by a macro that panics when it cannot write either.
fn lines() -> SubscriberBuilder<DefaultFields, Format, LevelFilter, fn() -> Stderr> {
    tracing_subscriber::fmt().with_writer(std::io::stderr as fn() -> Stderr).log_internal_errors(false)
}

fn from_environment() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty())
}

/// What the user says of a target wins over what we say of it, also when it is `info` for everything.
fn filter(directives: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(format!("{QUIET},{directives}"))
}

fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_wrong_level_is_refused_with_what_was_wrong_and_a_right_one_keeps_its_meaning() {
        assert!(filter("info,mcpvisor=nonsense").is_err());
        assert_eq!(filter("debug").unwrap().to_string(), "ractor=warn,debug");
        assert!(filter("ractor=trace").unwrap().to_string().contains("ractor=trace"));
    }
}
