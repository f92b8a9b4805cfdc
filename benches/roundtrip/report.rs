//! The tables for people, the JSON for programs.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::calls::Calls;
use crate::common::machine::Machine;
use crate::crash::Crash;
use crate::first_result::FirstResult;
use crate::goals::{self, Goal};
use crate::memory::Idle;
use crate::neighbours::Neighbours;
use crate::options::Options;
use crate::storm::Storm;

/// All that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rounds: usize,
    seconds: f64,
    /// Settings of mcpvisor that were not the default.
    set: Vec<String>,
    pub(crate) round_trips: Calls,
    pub(crate) first_result: Option<FirstResult>,
    pub(crate) storm: Option<Storm>,
    pub(crate) neighbours: Option<Neighbours>,
    pub(crate) memory: Vec<Idle>,
    pub(crate) crash: Option<Crash>,
    goals: Vec<Goal>,
}

impl Report {
    pub(crate) fn begin(options: &Options) -> Self {
        Self {
            machine: Machine::this(),
            rounds: options.rounds(),
            seconds: options.measured().as_secs_f64(),
            set: options.set.clone(),
            round_trips: Calls::default(),
            first_result: None,
            storm: None,
            neighbours: None,
            memory: Vec::new(),
            crash: None,
            goals: Vec::new(),
        }
    }

    /// Everything is measured: what is to be made of it.
    pub(crate) fn finish(mut self) -> Self {
        self.round_trips.finish();
        self.goals = goals::judge(&self);
        self
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
        writeln!(f, "\n{}", self.machine)?;
        writeln!(
            f,
            "medians of {} rounds of {} s; F = rmcp's own server, tool in process\n",
            self.rounds, self.seconds
        )?;
        self.round_trips.fmt(f)?;
        if let Some(first_result) = &self.first_result {
            first_result.fmt(f)?;
        }
        if let Some(storm) = &self.storm {
            storm.fmt(f)?;
        }
        if let Some(neighbours) = &self.neighbours {
            neighbours.fmt(f)?;
        }
        for idle in &self.memory {
            idle.fmt(f)?;
        }
        if let Some(crash) = &self.crash {
            crash.fmt(f)?;
        }
        goals::table(&self.goals, f)
    }
}
