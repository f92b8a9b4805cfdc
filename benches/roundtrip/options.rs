//! What can be chosen on the command line.

use std::time::Duration;

use clap::Parser;

/// Measures a tools/call round trip through mcpvisor beside rmcp's own server and the backend's raw pipe.
#[derive(Debug, Parser)]
#[command(name = "benches/run")]
pub(crate) struct Options {
    /// Rounds; the table shows medians over them
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds measured per scenario, contestant and round
    #[arg(long, default_value_t = 1.2)]
    seconds: f64,
    /// Seconds of warm-up before each
    #[arg(long, default_value_t = 0.3)]
    warm_up: f64,
    /// Only these scenarios: sessions-1, one-core, sessions-32, concurrent-32, crash
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// Only these contestants: pipe, floor, mcpvisor
    #[arg(long, value_name = "CONTESTANT")]
    contestant: Vec<String>,
    /// One more contestant: a running server with the same echo tool, at an http:// URL, and its process id
    #[arg(long, value_name = "NAME=URL[,PID]")]
    also: Vec<String>,
    /// One setting of mcpvisor, beside its defaults, such as gateway.workers=2
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Sessions of the crash scenario, each of which is killed once
    #[arg(long, default_value_t = 20)]
    kills: usize,
    /// Given by `cargo bench`. Without it this is a test of the harness: one short round.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub(crate) fn rounds(&self) -> usize {
        if self.bench { self.rounds.max(1) } else { 1 }
    }

    pub(crate) fn measured(&self) -> Duration {
        Duration::from_secs_f64(if self.bench { self.seconds.clamp(0.1, 60.0) } else { 0.1 })
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(if self.bench { self.warm_up.clamp(0.0, 60.0) } else { 0.05 })
    }

    /// A test of the harness, not a measurement.
    pub(crate) fn is_test(&self) -> bool {
        !self.bench
    }

    pub(crate) fn kills(&self) -> usize {
        if self.bench { self.kills.clamp(1, 1000) } else { 2 }
    }

    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == scenario)
    }

    pub(crate) fn admits(&self, contestant: &str) -> bool {
        self.contestant.is_empty() || self.contestant.iter().any(|only| only == contestant)
    }

    /// Names, URLs and process ids of `--also`.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&str, &str, Option<u32>)> {
        self.also.iter().filter_map(|also| {
            let (name, rest) = also.split_once('=')?;
            let (url, pid) = rest.split_once(',').map_or((rest, None), |(url, pid)| (url, pid.parse().ok()));
            Some((name, url, pid))
        })
    }
}
