//! What was measured call by call, and its table.

use std::fmt;

use serde::Serialize;

use crate::contestant::{FLOOR, ORDER};
use crate::figures::Figures;
use crate::scenario::ROUND_TRIPS;

/// The client's thread is too busy above this share for its numbers to be the server's.
const BUSY: f64 = 0.9;

/// All round trips.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Calls {
    entries: Vec<Entry>,
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

impl Calls {
    pub(crate) fn add(&mut self, scenario: &'static str, contestant: &str, figures: Figures) {
        let same = |entry: &&mut Entry| entry.scenario == scenario && entry.contestant == contestant;
        if let Some(entry) = self.entries.iter_mut().find(same) {
            return entry.rounds.push(figures);
        }
        let contestant = contestant.to_owned();
        let rounds = vec![figures];
        self.entries.push(Entry { scenario, contestant, median: None, to_floor: None, rounds });
    }

    /// Everything is measured: medians, and what they are to the floor's.
    pub(crate) fn finish(&mut self) {
        for entry in &mut self.entries {
            entry.median = Some(Figures::median(&entry.rounds));
        }
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            let floor = self.median(entry.scenario, FLOOR);
            let ratios = entry.median.as_ref().zip(floor).map(|(own, floor)| Ratios::of(own, floor));
            self.entries[at].to_floor = ratios;
        }
    }

    /// The medians of one, once everything is measured.
    pub(crate) fn median(&self, scenario: &str, contestant: &str) -> Option<&Figures> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.scenario == scenario && entry.contestant == contestant)?.median.as_ref()
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

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for scenario in &ROUND_TRIPS {
            let mut entries: Vec<_> =
                self.entries.iter().filter(|entry| entry.scenario == scenario.name).collect();
            if entries.is_empty() {
                continue;
            }
            let title = scenario.title;
            writeln!(
                f,
                "{title:<26} p50 us (lowest to highest)    p90 us    p99 us  p99.9 us   req/s  cpu us/call  client | to F: p50   p99  req/s   cpu"
            )?;
            entries.sort_by_key(|entry| rank(&entry.contestant));
            for entry in entries {
                entry.fmt(f)?;
            }
            writeln!(f)?;
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
        let Some(Figures { p50, p90, p99, p999, per_second, cpu, client, .. }) = &self.median else {
            return Ok(());
        };
        let cpu = cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}"));
        let client = client.map_or_else(
            || "-".to_owned(),
            |share| format!("{}{:.0} %", if share > BUSY { "!" } else { "" }, share * 100.0),
        );
        let name = &self.contestant;
        let (low, high) = self.spread();
        write!(
            f,
            "  {name:<23} {p50:>7.1} ({low:>7.1} to {high:>7.1})  {p90:>8.1}  {p99:>8.1}  {p999:>8.1}  {per_second:>6.0}  {cpu:>11}  {client:>6} |"
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

/// The order of the table.
fn rank(contestant: &str) -> usize {
    ORDER.iter().position(|known| *known == contestant).unwrap_or(usize::MAX)
}
