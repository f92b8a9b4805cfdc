//! The Connection of now, and the timers of its Supervisor.

use ractor::ActorRef;

use crate::connection::ConnectionMsg;
use crate::timer::Timer;

/// The Connection of now.
pub(super) struct Incarnation {
    pub(super) number: u64,
    pub(super) connection: ActorRef<ConnectionMsg>,
    pub(super) pid: Option<u32>,
    pub(super) ready: bool,
    /// Nothing of its transport is left.
    pub(super) gone: bool,
    /// Its actor failed, and will conclude nothing.
    pub(super) failed: bool,
}

#[derive(Default)]
pub(super) struct Timers {
    pub(super) ticket: Option<Timer>,
    pub(super) backoff: Option<Timer>,
    pub(super) tick: Option<Timer>,
    pub(super) drain: Option<Timer>,
}

impl Incarnation {
    pub(super) fn new(number: u64, connection: ActorRef<ConnectionMsg>) -> Self {
        Self { number, connection, pid: None, ready: false, gone: false, failed: false }
    }
}
