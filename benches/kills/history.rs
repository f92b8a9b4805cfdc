//! What happened to one session, as its user saw it.

use std::time::Instant;

use crate::variant::Kind;

/// Everything that was asked, and every kill.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) requests: Vec<Request>,
    pub(crate) deaths: Vec<Death>,
    /// What must not happen to a session, such as an end that is refused.
    pub(crate) failures: Vec<String>,
}

/// A request with its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    /// When it was its turn. Whatever it waited for from then on, it is the answer that was late.
    pub(crate) due: Instant,
    pub(crate) sent: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With the one right answer; of a probe: by this process.
    Right(Option<u32>),
    /// With an error.
    Error { code: i64, reason: String },
    /// With anything else: a wrong answer, two of them, a status, a cut connection.
    Wrong(String),
    /// Not at all within a time that nothing takes.
    Unanswered,
}

/// A kill.
#[derive(Debug)]
pub(crate) struct Death {
    /// Just before the kill.
    pub(crate) at: Instant,
    /// When the first answer of the next process was there.
    pub(crate) recovered: Option<Instant>,
}

impl Request {
    pub(crate) fn is_right(&self) -> bool {
        matches!(self.outcome, Outcome::Right(_))
    }

    /// Whether it was on its way at that moment.
    pub(crate) fn was_open_at(&self, at: Instant) -> bool {
        self.sent < at && at < self.ended
    }
}
