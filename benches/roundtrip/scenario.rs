//! What is measured call by call: who calls what how often, and of whom.

use crate::common::tool::{Era, Tool};
use crate::contestant::{BARE, FLOOR, MCPVISOR, PIPE, WORKERS_2};

/// Sessions that call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundTrip {
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// Scenarios that belong together.
    pub(crate) group: &'static str,
    pub(crate) sessions: usize,
    /// Callers of each session, each with a connection of its own.
    pub(crate) callers: usize,
    /// Whether everything runs on one core: see [`crate::one_core`].
    pub(crate) one_core: bool,
    pub(crate) tool: Tool,
    /// What the clients speak, and the backend.
    pub(crate) eras: (Era, Era),
    /// Calls per second of all together, whatever becomes of those before. `None`: a closed loop, in which each caller
    /// sends its next call when it has the answer to the last one.
    pub(crate) rate: Option<u32>,
    pub(crate) contestants: &'static [&'static str],
}

const ALL: &[&str] = &[PIPE, BARE, FLOOR, MCPVISOR, WORKERS_2];
const WITHOUT_BARE: &[&str] = &[PIPE, FLOOR, MCPVISOR, WORKERS_2];
const SERVERS: &[&str] = &[FLOOR, MCPVISOR, WORKERS_2];
const DEFAULTS: &[&str] = &[FLOOR, MCPVISOR];

/// Progress before each result of the streamed scenarios.
const STEPS: usize = 4;

const fn closed(name: &'static str, title: &'static str, sessions: usize, callers: usize) -> RoundTrip {
    RoundTrip {
        name,
        title,
        group: "calls",
        sessions,
        callers,
        one_core: false,
        tool: Tool::Echo,
        eras: (Era::Legacy, Era::Legacy),
        rate: None,
        contestants: ALL,
    }
}

const fn sized(name: &'static str, title: &'static str, sessions: usize, bytes: usize) -> RoundTrip {
    RoundTrip {
        group: "sizes",
        tool: Tool::Blob(bytes),
        contestants: WITHOUT_BARE,
        ..closed(name, title, sessions, 1)
    }
}

const fn streamed(name: &'static str, title: &'static str, sessions: usize) -> RoundTrip {
    RoundTrip {
        group: "streamed",
        tool: Tool::Steps(STEPS),
        contestants: WITHOUT_BARE,
        ..closed(name, title, sessions, 1)
    }
}

/// A modern client, through a backend of that era.
const fn modern(name: &'static str, title: &'static str, sessions: usize, backend: Era) -> RoundTrip {
    RoundTrip {
        group: "eras",
        eras: (Era::Modern, backend),
        contestants: DEFAULTS,
        ..closed(name, title, sessions, 1)
    }
}

const fn open(name: &'static str, title: &'static str, rate: u32) -> RoundTrip {
    RoundTrip { group: "open", rate: Some(rate), contestants: SERVERS, ..closed(name, title, 32, 1) }
}

/// In the order of the table.
pub(crate) const ROUND_TRIPS: [RoundTrip; 20] = [
    closed("sessions-1", "1 session", 1, 1),
    RoundTrip { one_core: true, ..closed("one-core", "1 session, all on one core", 1, 1) },
    closed("sessions-8", "8 sessions", 8, 1),
    closed("sessions-32", "32 sessions", 32, 1),
    closed("sessions-256", "256 sessions", 256, 1),
    closed("concurrent-32", "32 calls in 1 session", 1, 32),
    sized("size-1k", "1 KiB results, 1 session", 1, 1 << 10),
    sized("size-64k", "64 KiB results, 1 session", 1, 64 << 10),
    sized("size-64k-8", "64 KiB results, 8 sessions", 8, 64 << 10),
    sized("size-1m", "1 MiB results, 1 session", 1, 1 << 20),
    sized("size-1m-8", "1 MiB results, 8 sessions", 8, 1 << 20),
    streamed("streamed-1", "4 progress, 1 session", 1),
    streamed("streamed-32", "4 progress, 32 sessions", 32),
    modern("modern-legacy-1", "2026-07-28 > legacy, 1", 1, Era::Legacy),
    modern("modern-legacy-32", "2026-07-28 > legacy, 32", 32, Era::Legacy),
    modern("modern-modern-1", "2026-07-28 > same, 1", 1, Era::Modern),
    modern("modern-modern-32", "2026-07-28 > same, 32", 32, Era::Modern),
    open("open-1000", "32 sessions, 1,000/s", 1_000),
    open("open-5000", "32 sessions, 5,000/s", 5_000),
    open("open-15000", "32 sessions, 15,000/s", 15_000),
];

/// The other scenarios, which are no round trips: their names, which are their groups too, and what they are about.
pub(crate) const OTHERS: [(&str, &str); 5] = [
    (FIRST_RESULT, "from the beginning of a session to its first result"),
    (STORM, "sessions begun at once"),
    (NEIGHBOURS, "calls beside others that crash, flood and read slowly"),
    (MEMORY, "memory per idle session"),
    (CRASH, "kills in the middle of calls"),
];

pub(crate) const FIRST_RESULT: &str = "first-result";
pub(crate) const STORM: &str = "storm";
pub(crate) const NEIGHBOURS: &str = "neighbours";
pub(crate) const MEMORY: &str = "memory";
pub(crate) const CRASH: &str = "crash";

/// All names and groups that can be asked for, for people.
pub(crate) fn names() -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for RoundTrip { name, group, .. } in &ROUND_TRIPS {
        match groups.last_mut().filter(|(last, _)| last == group) {
            Some((_, names)) => names.push(name),
            None => groups.push((group, vec![name])),
        }
    }
    let mut text = String::from("Scenarios, by group:\n");
    for (group, names) in groups {
        text += &format!("  {group:<13} {}\n", names.join(", "));
    }
    for (name, about) in OTHERS {
        text += &format!("  {name:<13} {about}\n");
    }
    text
}

/// Whether that is one of them.
pub(crate) fn is_known(name: &str) -> bool {
    ROUND_TRIPS.iter().any(|scenario| name == scenario.name || name == scenario.group)
        || OTHERS.iter().any(|(other, _)| *other == name)
}
