//! What is measured.

/// A closed loop: each caller sends its next call when it has the answer to the last one.
#[derive(Debug)]
pub(crate) struct RoundTrip {
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) sessions: usize,
    /// Callers of each session, each with a connection of its own.
    pub(crate) callers: usize,
    /// Whether everything runs on one core: see [`crate::one_core`].
    pub(crate) one_core: bool,
}

/// In the order of the table.
pub(crate) const ROUND_TRIPS: [RoundTrip; 4] = [
    RoundTrip { name: "sessions-1", title: "1 session", sessions: 1, callers: 1, one_core: false },
    RoundTrip {
        name: "one-core",
        title: "1 session, all on one core",
        sessions: 1,
        callers: 1,
        one_core: true,
    },
    RoundTrip { name: "sessions-32", title: "32 sessions", sessions: 32, callers: 1, one_core: false },
    RoundTrip {
        name: "concurrent-32",
        title: "32 calls in 1 session",
        sessions: 1,
        callers: 32,
        one_core: false,
    },
];

/// Kills: see [`crate::crash`].
pub(crate) const CRASH: &str = "crash";
