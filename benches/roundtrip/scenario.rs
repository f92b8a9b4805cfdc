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
}

/// In the order of the table.
pub(crate) const ROUND_TRIPS: [RoundTrip; 3] = [
    RoundTrip { name: "sessions-1", title: "1 session", sessions: 1, callers: 1 },
    RoundTrip { name: "sessions-32", title: "32 sessions", sessions: 32, callers: 1 },
    RoundTrip {
        name: "concurrent-32",
        title: "32 concurrent calls in one session",
        sessions: 1,
        callers: 32,
    },
];

/// Kills: see [`crate::crash`].
pub(crate) const CRASH: &str = "crash";
