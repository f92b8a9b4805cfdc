//! What goes into the state machine, and what comes out.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::EndCause;
use crate::fault::Fault;

/// Why a connection is being retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retire {
    /// The service drains.
    Drain,
    /// The session ended.
    Delete(EndCause),
    /// Nobody uses it; the session lives on.
    Evict,
    /// By hand or by reload, or for another transport; the session lives on.
    Restart,
    /// An operator stopped the backend; the session lives on.
    Stop,
    /// Its error count passed the limit by errors that left it alive.
    Limit,
}

/// What happens to a key.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A request or an attach wants a connection.
    Wanted,
    /// The backend answered its handshake.
    Ready,
    /// The incarnation ended by a fault. `random` in 0..1 spreads restarts.
    Fault { fault: &'a Fault, random: f64 },
    /// An error reported from outside.
    External,
    /// The service drains.
    Drain,
    /// The session ended.
    Delete(EndCause),
    /// Nobody uses it.
    Evict,
    /// The Connection would not be evicted: a request had arrived.
    EvictRefused,
    /// Another transport takes its place; its errors are not the new one's.
    Replace,
    /// Somebody wants another incarnation: an operator (`by_hand`), or a reload that changed the backend.
    Restart { by_hand: bool },
    /// An operator stopped the backend.
    Stop,
    /// An operator takes that back.
    Start,
    /// The backend's breaker is open, or lets another key try first: no launch before then.
    Held(Instant),
    /// A launch ticket came.
    Ticket,
    /// The upstream lost its session: launch anew, uncounted.
    Renew,
    /// The backend will not have what the client has shown.
    Unauthorized,
    /// The spare that the launch started from died: launch anew, uncounted.
    SpareDied,
    /// The backend speaks another era than the launch has tried: launch anew, uncounted.
    Stranger,
    /// The incarnation and all its processes are gone.
    Gone,
    /// The backoff timer fired.
    BackoffOver,
}

/// What the Supervisor has to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Start a new incarnation (`again`: it replaces one).
    Launch,
    /// Give up the incarnation that is being launched.
    Abandon,
    /// Let the incarnation finish and close it.
    Retire(Retire),
    /// Stop using the published Connection.
    Withdraw,
    /// Answer those who attached, send what waits, then publish the Connection.
    Open,
    /// Come back with `BackoffOver` then.
    BackOff(Instant),
    /// Refuse all that waits.
    Refuse(Refused),
    /// The key is forgotten.
    End,
    /// The key was stopped at its limit (`false`) or by a fatal fault (`true`).
    Stopped { fatal: bool },
}

/// Why what waits is refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Refused {
    /// The launch failed.
    Launch,
    /// The key is stopped; `Duration` until it may be worth trying again.
    Stopped { fatal: bool, retry_after: Duration },
    /// The backend's breaker is open.
    Breaker { retry_after: Duration },
    /// An operator stopped the backend.
    Operator,
    /// The service drains.
    Drain,
    /// The session ended.
    Ended(EndCause),
    /// The backend will not have what the client has shown.
    Unauthorized,
}
