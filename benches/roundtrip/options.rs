//! What can be chosen on the command line.

use std::time::Duration;

use clap::Parser;

use crate::scenario::{self, RoundTrip};

/// Measures calls through mcpvisor beside their floors, and judges what mcpvisor promises of its speed.
#[derive(Debug, Parser)]
#[command(name = "benches/run", after_help = scenario::names())]
pub(crate) struct Options {
    /// Rounds; the tables show medians over them
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds measured per scenario, contestant and round
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Seconds of warm-up before each
    #[arg(long, default_value_t = 0.3)]
    warm_up: f64,
    /// Only these scenarios, or groups of them: see below
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',', value_parser = known)]
    only: Vec<String>,
    /// Only these contestants of the round trips: pipe, bare, floor, mcpvisor, workers-2
    #[arg(long, value_name = "CONTESTANT", value_delimiter = ',')]
    contestant: Vec<String>,
    /// One more contestant: a running server with the same tools, at an http:// URL, and its process id
    #[arg(long, value_name = "NAME=URL[,PID]")]
    also: Vec<String>,
    /// One setting of mcpvisor, beside its defaults, such as pool.idle_timeout=1m
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Sessions of the crash scenario, each of which is killed once
    #[arg(long, default_value_t = 20)]
    kills: usize,
    /// Sessions that the storm begins at once
    #[arg(long, default_value_t = 500)]
    storm: usize,
    /// First results of each kind
    #[arg(long, default_value_t = 40)]
    first_results: usize,
    /// Seconds beside each neighbour and round
    #[arg(long, default_value_t = 3.0)]
    beside: f64,
    /// Idle sessions whose memory is measured, each with a process of its own
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_values_t = [100, 500, 1000])]
    idle: Vec<usize>,
    /// The same over HTTP: their backends are in one process
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_values_t = [1000, 10_000])]
    idle_http: Vec<usize>,
    /// Given by `cargo bench`. Without it this is a test of the harness: one short round.
    #[arg(long, hide = true)]
    bench: bool,
}

fn known(name: &str) -> Result<String, String> {
    if scenario::is_known(name) { Ok(name.to_owned()) } else { Err(scenario::names()) }
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

    pub(crate) fn storm(&self) -> usize {
        if self.bench { self.storm.clamp(1, 5000) } else { 4 }
    }

    pub(crate) fn first_results(&self) -> usize {
        if self.bench { self.first_results.clamp(1, 1000) } else { 2 }
    }

    pub(crate) fn beside(&self) -> Duration {
        Duration::from_secs_f64(if self.bench { self.beside.clamp(0.1, 600.0) } else { 0.2 })
    }

    /// In ascending order.
    pub(crate) fn idle(&self) -> Vec<usize> {
        self.steps(&self.idle)
    }

    /// In ascending order.
    pub(crate) fn idle_http(&self) -> Vec<usize> {
        self.steps(&self.idle_http)
    }

    fn steps(&self, wanted: &[usize]) -> Vec<usize> {
        let mut steps = if self.bench { wanted.to_vec() } else { vec![2, 4] };
        steps.sort_unstable();
        steps
    }

    /// Whether that scenario, or its group, is wanted.
    pub(crate) fn wants(&self, scenario: &str, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == scenario || only == group)
    }

    /// The round trips that are wanted.
    pub(crate) fn round_trips(&self) -> Vec<&'static RoundTrip> {
        let wanted = |scenario: &&RoundTrip| self.wants(scenario.name, scenario.group);
        scenario::ROUND_TRIPS.iter().filter(wanted).collect()
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
