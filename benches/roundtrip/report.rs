//! The table for people, the JSON for programs.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::common::machine::Machine;
use crate::common::spread::{Spread, median};
use crate::contestant::{FLOOR, MCPVISOR, PIPE};
use crate::crash::Crash;
use crate::figures::Figures;
use crate::options::Options;
use crate::scenario::ROUND_TRIPS;

/// All that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rounds: usize,
    seconds: f64,
    /// Settings of mcpvisor that were not the default.
    set: Vec<String>,
    round_trips: Vec<Entry>,
    pub(crate) crash: Option<Crash>,
}

/// One contestant at one scenario.
#[derive(Serialize)]
struct Entry {
    scenario: &'static str,
    contestant: String,
    /// Of each figure, over the rounds.
    median: Option<Figures>,
    /// Medians as a share of the floor's.
    to_floor: Option<Ratios>,
    rounds: Vec<Figures>,
}

#[derive(Serialize, Clone, Copy)]
struct Ratios {
    p50: f64,
    p99: f64,
    per_second: f64,
    cpu: Option<f64>,
}

impl Report {
    pub(crate) fn begin(options: &Options) -> Self {
        let (rounds, seconds) = (options.rounds(), options.measured().as_secs_f64());
        let set = options.set.clone();
        Self { machine: Machine::this(), rounds, seconds, set, round_trips: Vec::new(), crash: None }
    }

    pub(crate) fn add(&mut self, scenario: &'static str, contestant: &str, figures: Figures) {
        let same = |entry: &&mut Entry| entry.scenario == scenario && entry.contestant == contestant;
        if let Some(entry) = self.round_trips.iter_mut().find(same) {
            return entry.rounds.push(figures);
        }
        let contestant = contestant.to_owned();
        let rounds = vec![figures];
        self.round_trips.push(Entry { scenario, contestant, median: None, to_floor: None, rounds });
    }

    /// Everything is measured: medians, and what they are to the floor's.
    pub(crate) fn finish(mut self) -> Self {
        for entry in &mut self.round_trips {
            entry.median = Some(Figures::median(&entry.rounds));
        }
        for at in 0..self.round_trips.len() {
            let entry = &self.round_trips[at];
            let floor = self
                .round_trips
                .iter()
                .find(|other| other.scenario == entry.scenario && other.contestant == FLOOR);
            let floor = floor.and_then(|floor| floor.median.as_ref());
            let ratios = entry.median.as_ref().zip(floor).map(|(own, floor)| Ratios::of(own, floor));
            self.round_trips[at].to_floor = ratios;
        }
        self
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(file, serde_json::to_vec_pretty(self)?)?)
    }
}

impl Ratios {
    fn of(own: &Figures, floor: &Figures) -> Self {
        Self {
            p50: own.p50 / floor.p50,
            p99: own.p99 / floor.p99,
            per_second: own.per_second / floor.per_second,
            cpu: own.cpu.zip(floor.cpu).map(|(own, floor)| own / floor),
        }
    }
}

impl Figures {
    fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure));
        let cpu: Vec<f64> = rounds.iter().filter_map(|round| round.cpu).collect();
        Self {
            p50: of(|round| round.p50),
            p90: of(|round| round.p90),
            p99: of(|round| round.p99),
            per_second: of(|round| round.per_second),
            cpu: (!cpu.is_empty()).then(|| median(cpu)),
            calls: rounds.iter().map(|round| round.calls).sum(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.machine)?;
        writeln!(
            f,
            "medians of {} rounds of {} s; F = rmcp's own server, tool in process\n",
            self.rounds, self.seconds
        )?;
        for scenario in &ROUND_TRIPS {
            let mut entries =
                self.round_trips.iter().filter(|entry| entry.scenario == scenario.name).peekable();
            if entries.peek().is_none() {
                continue;
            }
            let title = scenario.title;
            writeln!(
                f,
                "{title:<26} p50 us (lowest to highest)   p90 us   p99 us   req/s  cpu us/call | to F: p50   p99  req/s   cpu"
            )?;
            let mut entries: Vec<_> = entries.collect();
            entries.sort_by_key(|entry| rank(&entry.contestant));
            for entry in entries {
                entry.fmt(f)?;
            }
            writeln!(f)?;
        }
        if let Some(crash) = &self.crash {
            crash.fmt(f)?;
        }
        Ok(())
    }
}

impl Entry {
    /// The lowest and the highest median of a round: far apart if the machine was noisy.
    fn spread(&self) -> (f64, f64) {
        let medians = self.rounds.iter().map(|round| round.p50);
        medians.fold((f64::INFINITY, 0.0), |(low, high), p50| (low.min(p50), high.max(p50)))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Figures { p50, p90, p99, per_second, cpu, .. }) = &self.median else { return Ok(()) };
        let cpu = cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}"));
        let name = &self.contestant;
        let (low, high) = self.spread();
        write!(
            f,
            "  {name:<23} {p50:>7.1} ({low:>7.1} to {high:>7.1})  {p90:>7.1}  {p99:>7.1}  {per_second:>6.0}  {cpu:>11} |"
        )?;
        match self.to_floor {
            Some(Ratios { p50, p99, per_second, cpu }) => {
                let cpu = cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.2}"));
                writeln!(f, "      {p50:>5.2} {p99:>5.2}  {per_second:>5.2} {cpu:>5}")
            }
            None => writeln!(f),
        }
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("kill -9 in a call, {} sessions in use", self.sessions);
        writeln!(f, "{title:<46} count   p50 ms   p99 ms   max ms")?;
        for (name, Spread { count, p50, p99, max, .. }) in [
            ("from the kill to the error of that call", &self.error_ms),
            ("from the kill to the next right answer", &self.next_answer_ms),
            ("calls of all sessions before the kills", &self.others_before_ms),
            ("calls of the other sessions meanwhile", &self.others_during_ms),
        ] {
            writeln!(f, "  {name:<44} {count:>5}  {p50:>7.2}  {p99:>7.2}  {max:>7.2}")?;
        }
        Ok(())
    }
}

/// The order of the table: limit, floor, ours, others.
fn rank(contestant: &str) -> usize {
    [PIPE, FLOOR, MCPVISOR].iter().position(|known| *known == contestant).unwrap_or(usize::MAX)
}
