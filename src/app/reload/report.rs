//! What came of a reload, for the log, the admin API and the command line. No value of any setting is in it.

use std::fmt::Write;

use mcpvisor_actors::ReloadRefused;
use mcpvisor_config::{Change, Difference};
use serde::{Deserialize, Serialize};

use crate::app::Failure;
use crate::app::settings::Settings;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new configuration holds.
    Ok,
    /// It is the one that held before.
    Unchanged,
    /// It is refused, and the one before holds.
    Failed,
    /// The service is ending.
    Ending,
}

/// `POST /api/v1/reload`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReloadReport {
    /// What came of it; of a dry run, what would.
    pub result: Outcome,
    /// Nothing was changed, whatever the result.
    pub dry_run: bool,
    /// Backends that are served from now on.
    pub added: Vec<String>,
    /// Backends that are served no longer.
    pub removed: Vec<String>,
    /// Backends of which keys have changed.
    pub changed: Vec<ChangedView>,
    /// Other keys that have changed, and hold.
    pub settings: Vec<String>,
    /// Keys that have changed, and hold only after a restart of the service.
    pub needs_restart: Vec<String>,
    /// Connections that are replaced, once what is in flight is done.
    pub relaunched: usize,
    /// Connections that end, likewise, with their sessions.
    pub ended: usize,
    /// Sessions that end, since no key names their owner any more.
    pub strangers: usize,
    /// What to know besides.
    pub notes: Vec<String>,
    /// Why it is refused: everything that is wrong.
    pub problems: Vec<String>,
}

/// A backend that has changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangedView {
    /// Its name.
    pub name: String,
    /// Its keys that differ.
    pub keys: Vec<String>,
    /// `relaunch`: its connections are replaced; `in_place`: they go on.
    pub how: String,
}

impl ReloadReport {
    pub(super) fn of(difference: &Difference, wanted: &Settings) -> Self {
        let changed = difference.changed.iter().map(|(name, changed)| ChangedView {
            name: name.clone(),
            keys: changed.keys.clone(),
            how: match changed.how {
                Change::Relaunch => "relaunch",
                Change::InPlace => "in_place",
            }
            .to_owned(),
        });
        let mut notes: Vec<String> = wanted.notes.iter().map(ToString::to_string).collect();
        if wanted.request.holds_texts() {
            notes.push("standard input cannot be read again: what it said at the start stays".to_owned());
        }
        Self {
            result: if difference.is_empty() { Outcome::Unchanged } else { Outcome::Ok },
            added: difference.added.clone(),
            removed: difference.removed.clone(),
            changed: changed.collect(),
            settings: difference.settings.clone(),
            needs_restart: difference.needs_restart.clone(),
            notes,
            ..Self::empty(Outcome::Ok)
        }
    }

    /// The configuration is wrong, or cannot be read.
    pub(super) fn refused(failure: &Failure) -> Self {
        let problems = match failure {
            Failure::Configuration(errors) => errors.0.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        };
        Self { problems, ..Self::empty(Outcome::Failed) }
    }

    pub(super) fn ending(refused: &ReloadRefused) -> Self {
        Self { problems: vec![refused.to_string()], ..Self::empty(Outcome::Ending) }
    }

    /// In one line: counts and names of keys, never values.
    pub fn summary(&self) -> String {
        let what = match (self.result, self.dry_run) {
            (Outcome::Ok, false) => "the configuration was reloaded",
            (Outcome::Ok, true) => "the configuration would be reloaded",
            (Outcome::Unchanged, _) => "the configuration is unchanged",
            (Outcome::Failed, _) => "the configuration is refused, and the one before kept",
            (Outcome::Ending, _) => "nothing is reloaded any more",
        };
        let mut line = what.to_owned();
        if self.result == Outcome::Ok {
            let (added, removed, changed) = (self.added.len(), self.removed.len(), self.changed.len());
            let _ = write!(line, ": {added} added, {removed} removed, {changed} changed");
        }
        if !self.needs_restart.is_empty() {
            let _ = write!(line, "; a restart is needed for {}", self.needs_restart.join(", "));
        }
        line
    }

    /// One line.
    pub(super) fn log(&self, cause: &'static str) {
        let (added, removed, changed) = (self.added.len(), self.removed.len(), self.changed.len());
        let settings = self.settings.join(",");
        let needs_restart = self.needs_restart.join(",");
        let summary = self.summary();
        match self.result {
            Outcome::Ok => tracing::info!(
                event = "config.reloaded",
                cause,
                added,
                removed,
                changed,
                settings,
                needs_restart,
                relaunched = self.relaunched,
                ended = self.ended,
                strangers = self.strangers,
                "{summary}"
            ),
            Outcome::Unchanged => {
                tracing::info!(event = "config.unchanged", cause, needs_restart, "{summary}");
            }
            Outcome::Ending => {
                tracing::warn!(
                    event = "config.reload_failed",
                    cause,
                    count = 0,
                    "{summary}: the service is ending"
                );
            }
            Outcome::Failed => {
                let one_line = |problem: &String| problem.replace("\n    ", "; ");
                let problems = self.problems.iter().map(one_line).collect::<Vec<_>>().join(" | ");
                let count = self.problems.len();
                tracing::error!(event = "config.reload_failed", cause, count, "{summary}: {problems}");
            }
        }
    }

    fn empty(result: Outcome) -> Self {
        let (added, removed, changed, settings, needs_restart) = Default::default();
        let (relaunched, ended, strangers, notes, problems) = Default::default();
        Self {
            result,
            dry_run: false,
            added,
            removed,
            changed,
            settings,
            needs_restart,
            relaunched,
            ended,
            strangers,
            notes,
            problems,
        }
    }
}
