//! Log lines on standard error.
//!
//! They leave by a thread of their own: whoever logs never waits for whoever reads. When standard error is a pipe that nobody
//! empties, lines are dropped and counted.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use arc_swap::ArcSwap;
use mcpvisor_actors::metrics::Counters;
use mcpvisor_config::{LogFormat, Telemetry};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::catalogue::LOG_LINES_DROPPED;
use crate::app::Failure;

/// The actor library reports its own comings and goings at info; ours say the same with names people know.
const QUIET: &str = "ractor=warn";
/// So many lines may wait for standard error.
const AHEAD: usize = 4096;
/// How often those that were dropped are told of.
const TELL: Duration = Duration::from_secs(5);

/// The log of the service, once installed.
pub struct Log {
    /// What is logged, to be changed.
    pub level: LogLevel,
    /// What was not.
    pub dropped: DroppedLines,
    /// Dropped, what still waits is written, for a second at most.
    pub writer: WorkerGuard,
}

/// What is logged. Cheap to clone.
#[derive(Clone)]
pub struct LogLevel {
    filter: reload::Handle<EnvFilter, Registry>,
    now: Arc<ArcSwap<String>>,
}

/// Counts the lines that nobody was there to read.
pub struct DroppedLines {
    counter: ErrorCounter,
    told: usize,
}

impl LogLevel {
    /// As it was asked for.
    pub fn get(&self) -> String {
        self.now.load().to_string()
    }

    /// Logs by these directives from now on; the former ones.
    ///
    /// # Errors
    /// They are none; what would be.
    pub fn set(&self, directives: &str) -> Result<String, String> {
        let filter = filter(directives).map_err(|wrong| wrong_filter(directives, &wrong))?;
        self.filter.reload(filter).map_err(|error| format!("the log is gone: {error}"))?;
        Ok(self.now.swap(Arc::new(directives.to_owned())).to_string())
    }
}

impl DroppedLines {
    /// Counts them from now on, and says so in the log: it may be that somebody reads it again.
    pub async fn tell_always(mut self) {
        let mut ticks = tokio::time::interval(TELL);
        loop {
            ticks.tick().await;
            self.tell();
        }
    }

    fn tell(&mut self) {
        let lines = self.counter.dropped_lines();
        let new = lines.saturating_sub(self.told);
        if new > 0 {
            self.told = lines;
            Counters::new(&LOG_LINES_DROPPED, None).add(&[], new as u64);
            tracing::warn!(event = "log.dropped", lines = new, "log lines were dropped: nobody read them");
        }
    }
}

/// Whether `telemetry.log_level` can be put into effect.
///
/// # Errors
/// It is no filter.
pub fn check(wanted: &Telemetry) -> Result<(), Failure> {
    let directives = wanted.log_level.as_str();
    filter(directives)
        .map(drop)
        .map_err(|wrong| Failure::Usage(format!("telemetry.log_level: {}", wrong_filter(directives, &wrong))))
}

/// Sends log lines to standard error from now on. `RUST_LOG` wins over `telemetry.log_level`.
///
/// # Errors
/// Either of them is no filter.
pub fn install(wanted: &Telemetry) -> Result<Log, Failure> {
    let from_environment = from_environment();
    let (name, directives) = match &from_environment {
        Some(text) => ("RUST_LOG", text.as_str()),
        None => ("telemetry.log_level", wanted.log_level.as_str()),
    };
    let filter = filter(directives)
        .map_err(|wrong| Failure::Usage(format!("{name}: {}", wrong_filter(directives, &wrong))))?;
    let (filter, handle) = reload::Layer::new(filter);
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(AHEAD);
    let (writer, guard) = builder.thread_name("log").finish(std::io::stderr());
    let counter = writer.error_counter();
    let installed = tracing_subscriber::registry().with(filter).with(lines(wanted, writer)).try_init();
    installed.map_err(|error| Failure::Runtime(anyhow!("cannot install the log: {error}")))?;
    std::panic::set_hook(Box::new(tell_panic));
    let level = LogLevel { filter: handle, now: Arc::new(ArcSwap::from_pointee(directives.to_owned())) };
    Counters::new(&LOG_LINES_DROPPED, None);
    Ok(Log { level, dropped: DroppedLines { counter, told: 0 }, writer: guard })
}

/// A bug of ours is told as everything else is: by default it would be written by the thread that has it, which would wait for
/// whoever reads, and be no line of this log.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        event = "panic",
        thread = thread.name(),
        at = panic.location().map(ToString::to_string),
        backtrace,
        "a bug of mcpvisor: {text}; please report this"
    );
}

/// A line that cannot be written (a full disk, a collector that has gone) is lost, and nothing else: by default it would be
/// reported on the same standard error, by a macro that panics when it cannot write either.
fn lines<S>(wanted: &Telemetry, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false).with_timer(SystemTime);
    match wanted.log_format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => lines.with_ansi(colours()).boxed(),
    }
}

/// The same for the short commands: silent unless `RUST_LOG` asks, since they print what they have to say.
pub fn install_if_asked() {
    if let Some(Ok(filter)) = from_environment().map(|directives| filter(&directives)) {
        let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).log_internal_errors(false);
        let _ = lines.with_env_filter(filter).with_ansi(colours()).try_init();
    }
}

fn from_environment() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty())
}

/// What the user says of a target wins over what we say of it, also when it is `info` for everything.
fn filter(directives: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(format!("{QUIET},{directives}"))
}

fn wrong_filter(directives: &str, wrong: &tracing_subscriber::filter::ParseError) -> String {
    format!(
        "'{directives}' is no log filter: {wrong}\n    \
         write error, warn, info, debug, trace, or targets such as info,mcpvisor_actors=debug"
    )
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
