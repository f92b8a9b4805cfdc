//! What came of a run, and whether it is as promised.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::account::Account;
use crate::common::footprint::Footprint;
use crate::common::gateway::Ended;
use crate::variant::Variant;
use crate::witness::Witness;

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Outcome {
    pub(crate) retry: Variant,
    pub(crate) sessions: usize,
    /// Moments at which nobody could be killed.
    pub(crate) kills_skipped: u32,
    pub(crate) account: Account,
    pub(crate) witness: Witness,
    pub(crate) mcpvisor: Footprints,
    pub(crate) left: Left,
    /// Everything that was promised and not kept.
    pub(crate) broken: Vec<String>,
}

/// mcpvisor without its children.
#[derive(Serialize)]
pub(crate) struct Footprints {
    /// Before the first session.
    pub(crate) started: Footprint,
    /// The highest before the first kill, under load.
    pub(crate) before: Footprint,
    /// The highest during the kills.
    pub(crate) during: Footprint,
    /// With all sessions, under load, after the kills.
    pub(crate) after: Footprint,
    /// Without sessions.
    pub(crate) closed: Footprint,
    /// Processor time as a share of one core, before and during the kills.
    pub(crate) cores_before: f64,
    pub(crate) cores_during: f64,
}

/// What is there that should not be.
#[derive(Serialize)]
pub(crate) struct Left {
    /// Processes of the servers, after their sessions have ended.
    pub(crate) processes: usize,
    /// Children of mcpvisor that nobody has reaped.
    pub(crate) zombies: usize,
    pub(crate) end: Ended,
}

impl Outcome {
    /// Compares what was seen, what mcpvisor says of itself, and what is there.
    pub(crate) fn find_broken(&self) -> Vec<String> {
        let Self { account, witness, left, .. } = self;
        let kills = account.kills as u64;
        // All of them, and nothing else.
        let all_are = |counted: &BTreeMap<String, u64>, what: &str| {
            counted.values().sum::<u64>() == kills && counted.get(what).copied().unwrap_or(0) == kills
        };
        let checks = [
            (account.kills > 0, "nobody was killed".to_owned()),
            (
                all_are(&witness.restarts, "signal"),
                format!("{kills} kills, restarts: {:?}", witness.restarts),
            ),
            (all_are(&witness.faults, "signal"), format!("{kills} kills, faults: {:?}", witness.faults)),
            (all_are(&witness.replays, "ok"), format!("{kills} kills, replays: {:?}", witness.replays)),
            (
                witness.unexpected_exits == kills,
                format!("{kills} kills, {} unexpected exits", witness.unexpected_exits),
            ),
            (witness.errors == kills, format!("{kills} kills, {} errors of connections", witness.errors)),
            (
                witness.connection_restarts == kills,
                format!("{kills} kills, {} restarts of connections", witness.connection_restarts),
            ),
            (
                witness.lost == account.requests.lost as u64,
                format!("{} answers backend_lost, {} by the metrics", account.requests.lost, witness.lost),
            ),
            (witness.stops == 0, format!("{} connections were stopped", witness.stops)),
            (
                witness.ready == self.sessions,
                format!("{} of {} connections are ready at the end", witness.ready, self.sessions),
            ),
            (left.processes == 0, format!("{} processes of servers were left", left.processes)),
            (left.zombies == 0, format!("{} zombies were left", left.zombies)),
            (left.end.left == 0, format!("{} processes outlived mcpvisor", left.end.left)),
            (left.end.code == Some(0), format!("mcpvisor ended with {:?}", left.end.code)),
        ];
        let failed = checks.into_iter().filter(|(kept, _)| !kept).map(|(_, what)| what);
        account.broken.iter().cloned().chain(failed).collect()
    }
}
