//! What mcpvisor wants to reach, and whether it did, each against something of the same run.

use std::fmt;

use serde::Serialize;

use crate::calls::Calls;
use crate::contestant::{BARE, FLOOR, MCPVISOR, PIPE, WORKERS_2};
use crate::figures::Figures;
use crate::report::Report;

/// One of them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    what: String,
    measured: f64,
    limit: f64,
    unit: &'static str,
    /// Whether `measured` must be at most `limit`, not at least.
    at_most: bool,
    met: bool,
}

impl Goal {
    pub(crate) fn at_most(what: impl Into<String>, measured: f64, limit: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, limit, unit, at_most: true, met: measured <= limit }
    }

    pub(crate) fn at_least(what: impl Into<String>, measured: f64, limit: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, limit, unit, at_most: false, met: measured >= limit }
    }
}

/// Of everything that was measured.
pub(crate) fn judge(report: &Report) -> Vec<Goal> {
    let calls = &report.round_trips;
    let mut goals = Vec::new();
    for (own, workers) in [(MCPVISOR, ""), (WORKERS_2, ", 2 workers")] {
        let at_most = |goals: &mut Vec<Goal>, scenario, what: &str, figure: fn(&Figures) -> f64, limit| {
            if let Some(ratio) = ratio(calls, scenario, (own, FLOOR), figure) {
                goals.push(Goal::at_most(format!("{what}{workers}"), ratio, limit, "F"));
            }
        };
        let at_least = |goals: &mut Vec<Goal>, scenario, what: &str, other, limit, unit| {
            if let Some(ratio) = ratio(calls, scenario, (own, other), |figures| figures.per_second) {
                goals.push(Goal::at_least(format!("{what}{workers}"), ratio, limit, unit));
            }
        };
        at_most(&mut goals, "sessions-1", "1 session, p50", |figures| figures.p50, 0.6);
        at_most(&mut goals, "sessions-1", "1 session, p99", |figures| figures.p99, 0.8);
        at_least(&mut goals, "sessions-32", "32 sessions, req/s", FLOOR, 1.4, "F");
        at_least(&mut goals, "concurrent-32", "32 calls in 1 session, req/s", FLOOR, 1.5, "F");
        at_most(&mut goals, "streamed-1", "streamed answers, 1 session, p50", |figures| figures.p50, 1.0);
        for (scenario, what) in [("size-64k", "64 KiB results, req/s"), ("size-1m", "1 MiB results, req/s")] {
            at_least(&mut goals, scenario, what, FLOOR, 1.1, "F");
            at_least(&mut goals, scenario, what, PIPE, 0.6, "pipe");
        }
        let cpu = |figures: &Figures| figures.cpu.unwrap_or(f64::NAN);
        if let Some(ratio) = ratio(calls, "sessions-32", (own, BARE), cpu).filter(|ratio| ratio.is_finite()) {
            goals.push(Goal::at_most(format!("32 sessions, CPU per call{workers}"), ratio, 1.5, "bare"));
        }
    }
    goals.extend(report.first_result.iter().flat_map(|first_result| first_result.goals()));
    goals.extend(report.storm.iter().flat_map(|storm| storm.goals()));
    goals.extend(report.neighbours.iter().flat_map(|neighbours| neighbours.goals()));
    for idle in &report.memory {
        goals.append(&mut idle.goals());
    }
    goals
}

/// One's median as a share of another's.
fn ratio(
    calls: &Calls,
    scenario: &str,
    (own, other): (&str, &str),
    figure: impl Fn(&Figures) -> f64,
) -> Option<f64> {
    Some(figure(calls.median(scenario, own)?) / figure(calls.median(scenario, other)?))
}

/// For people.
pub(crate) fn table(goals: &[Goal], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if goals.is_empty() {
        return Ok(());
    }
    writeln!(f, "{:<62} {:>18}  {:>12}   met", "goal", "at", "measured")?;
    for Goal { what, measured, limit, unit, at_most, met } in goals {
        let limit = format!("{} {limit} {unit}", if *at_most { "most" } else { "least" });
        let met = if *met { "yes" } else { "NO" };
        writeln!(f, "  {what:<60} {limit:>18}  {measured:>12.2}   {met}")?;
    }
    let met = goals.iter().filter(|goal| goal.met).count();
    writeln!(f, "{met} of {} goals met", goals.len())
}
