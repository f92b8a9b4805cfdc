//! What can be chosen on the command line.

use std::time::Duration;

use clap::Parser;

use crate::variant::Variant;

/// Measures what clients see while the servers behind mcpvisor are killed, and checks what it promises.
#[derive(Debug, Parser)]
#[command(name = "benches/faults")]
pub(crate) struct Options {
    /// Sessions, each with a server of its own, under load all the time
    #[arg(long, default_value_t = 200)]
    sessions: usize,
    /// Seconds under load without faults, which the rest is compared with
    #[arg(long, default_value_t = 20.0)]
    baseline: f64,
    /// Seconds under load with kills
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Milliseconds between two kills
    #[arg(long, default_value_t = 100)]
    every_ms: u64,
    /// Repeats the choice of the sessions that are killed
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Only this: never, safe (the values of `retry`)
    #[arg(long)]
    only: Option<Variant>,
    /// One setting of mcpvisor, beside its defaults, such as gateway.workers=2
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// A test of the harness and of the promises, not a measurement: 40 sessions for a few seconds
    #[arg(long)]
    quick: bool,
    /// Given by `cargo bench`. Without it this is a test as well.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// A test, not a measurement.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick || !self.bench
    }

    pub(crate) fn sessions(&self) -> usize {
        if self.is_quick() { 40 } else { self.sessions.clamp(2, 2000) }
    }

    /// Under load, before anything counts.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.is_quick() { 300 } else { 2000 })
    }

    pub(crate) fn baseline(&self) -> Duration {
        Duration::from_secs_f64(if self.is_quick() { 1.5 } else { self.baseline.clamp(1.0, 600.0) })
    }

    pub(crate) fn kills(&self) -> Duration {
        Duration::from_secs_f64(if self.is_quick() { 3.0 } else { self.seconds.clamp(1.0, 600.0) })
    }

    pub(crate) fn every(&self) -> Duration {
        Duration::from_millis(self.every_ms.clamp(1, 60_000))
    }

    pub(crate) fn variants(&self) -> impl Iterator<Item = Variant> {
        Variant::ALL.into_iter().filter(|variant| self.only.is_none_or(|only| only == *variant))
    }
}
