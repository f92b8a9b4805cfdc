//! The table for people, the JSON for programs.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::common::footprint::Footprint;
use crate::common::machine::Machine;
use crate::common::spread::Spread;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::user::{LONG_EVERY, PERIOD};
use crate::variant::{LONG_MS, Variant};

/// All that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    /// Debug builds and few seconds measure nothing.
    quick: bool,
    sessions: usize,
    baseline_seconds: f64,
    kill_seconds: f64,
    every_ms: u128,
    seed: u64,
    /// Settings of mcpvisor that were not the default.
    set: Vec<String>,
    outcomes: Vec<Outcome>,
}

impl Report {
    pub(crate) fn begin(options: &Options) -> Self {
        Self {
            machine: Machine::this(),
            quick: options.is_quick() || cfg!(debug_assertions),
            sessions: options.sessions(),
            baseline_seconds: options.baseline().as_secs_f64(),
            kill_seconds: options.kills().as_secs_f64(),
            every_ms: options.every().as_millis(),
            seed: options.seed,
            set: options.set.clone(),
            outcomes: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// Whether a promise was broken, however fast.
    pub(crate) fn is_broken(&self) -> bool {
        self.outcomes.iter().any(|outcome| !outcome.broken.is_empty())
    }

    /// A test does not write over a measurement.
    pub(crate) fn file_name(&self) -> &'static str {
        if self.quick { "faults_quick.json" } else { "faults.json" }
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(file, serde_json::to_vec_pretty(self)?)?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, baseline_seconds, kill_seconds, every_ms, seed, .. } = self;
        writeln!(f, "\n{}", self.machine)?;
        if self.quick {
            writeln!(f, "A TEST, NOT A MEASUREMENT: the times mean nothing")?;
        }
        writeln!(
            f,
            "{sessions} sessions, a call of each every {} ms, one in {LONG_EVERY} takes {LONG_MS} ms\n\
             {baseline_seconds} s without faults, then {kill_seconds} s with a kill every {every_ms} ms; seed {seed}",
            PERIOD.as_millis()
        )?;
        let breaker = if self.quick { ", limits.breaker_threshold" } else { "" };
        let set = self.set.iter().map(|set| format!(", {set}")).collect::<String>();
        writeln!(f, "mcpvisor with its defaults, but for retry{breaker}{set}")?;
        for outcome in &self.outcomes {
            write!(f, "\n{outcome}")?;
        }
        match self.is_broken() {
            true => writeln!(f, "\nPROMISES WERE BROKEN"),
            false => writeln!(f, "\nevery promise was kept"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (account, flight) = (&self.account, &self.account.in_flight);
        let title = match self.retry {
            Variant::Never => "retry = \"never\": what is lost is told",
            Variant::Safe => "retry = \"safe\", the default: both tools are marked read-only",
        };
        writeln!(f, "{title:<62} count   p50 ms   p90 ms   p99 ms   max ms")?;
        let rows = [
            ("from a kill to the first answer of the next process", &account.recovery_ms),
            ("  processes restarted at once", &account.recovery_at_once_ms),
            ("  processes killed within 10 s of their start: with a pause", &account.recovery_after_pause_ms),
            ("from a kill to the error of a call in flight", &flight.lost_ms),
            ("  of a call sent just after it", &flight.lost_just_after_ms),
            ("from a kill to the result of a call in flight", &flight.answered_ms),
            ("short calls of sessions never killed, before", &account.others_before_ms),
            ("  during the kills", &account.others_during_ms),
            ("short calls of killed sessions during the kills", &account.killed_during_ms),
        ];
        for (name, Spread { count, p50, p90, p99, max }) in rows {
            writeln!(f, "  {name:<59} {count:>6}  {p50:>7.2}  {p90:>7.2}  {p99:>7.2}  {max:>7.2}")?;
        }
        let (before, during) = (&account.others_before_ms, &account.others_during_ms);
        if during.count > 0 {
            let (p50, p99) = (during.p50 / before.p50, during.p99 / before.p99);
            writeln!(f, "  during / before, sessions never killed: p50 {p50:.2}, p99 {p99:.2}")?;
        }
        self.counts(f)?;
        for broken in &self.broken {
            writeln!(f, "  BROKEN: {broken}")?;
        }
        Ok(())
    }
}

impl Outcome {
    fn counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (account, requests, flight) = (&self.account, &self.account.requests, &self.account.in_flight);
        writeln!(
            f,
            "  {} kills of {} sessions ({} skipped)",
            account.kills, account.killed_sessions, self.kills_skipped
        )?;
        writeln!(
            f,
            "  {} calls in flight at a kill: {} lost ({:.1} % told within 50 ms), {} answered, {} met another kill",
            flight.count,
            flight.lost_ms.count,
            100.0 * flight.lost_within_50_ms,
            flight.answered_ms.count,
            flight.met_another,
        )?;
        writeln!(
            f,
            "  {} requests: {} answered, {} lost, {} refused, {} wrong, {} unanswered",
            requests.sent,
            requests.right,
            requests.lost,
            requests.refused,
            requests.wrong,
            requests.unanswered
        )?;
        let witness = &self.witness;
        writeln!(
            f,
            "  by the metrics: restarts {:?}, faults {:?}, replays {:?}, unexpected exits {}",
            witness.restarts, witness.faults, witness.replays, witness.unexpected_exits,
        )?;
        writeln!(
            f,
            "                  lost {}, repeated {:?}, stops {}; highest error count of a connection {}",
            witness.lost, witness.retries, witness.stops, witness.highest_error_count
        )?;
        let held = &self.mcpvisor;
        writeln!(f, "  mcpvisor itself        RSS MiB   fds  threads  cores")?;
        for (name, footprint, cores) in [
            ("started", held.started, None),
            ("before the kills", held.before, Some(held.cores_before)),
            ("during (highest)", held.during, Some(held.cores_during)),
            ("after, under load", held.after, None),
            ("sessions closed", held.closed, None),
        ] {
            let Footprint { files, threads, .. } = footprint;
            let cores = cores.map_or_else(String::new, |cores| format!("{cores:.2}"));
            writeln!(f, "    {name:<18} {:>9.1} {files:>5} {threads:>8} {cores:>6}", footprint.mib())?;
        }
        let left = &self.left;
        writeln!(
            f,
            "  left: {} processes, {} zombies; after the end of mcpvisor {}",
            left.processes, left.zombies, left.end.left
        )
    }
}
