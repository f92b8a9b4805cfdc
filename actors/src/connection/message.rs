//! What a Connection is told.

use std::sync::Arc;

use mcpvisor_config::Backend;
use tokio::time::Instant;

use super::Retire;
use crate::error::EndCause;
use crate::link::LinkEvent;
use crate::pending::Pending;
use crate::probe::Spoken;
use crate::route::{Notice, Route};

/// What a Connection is told.
pub(crate) enum ConnectionMsg {
    /// A client's request.
    Request(Pending),
    /// A client's notification.
    Notify(Notice),
    /// A client's answer to a request of the backend.
    Respond(Notice),
    /// A session that shares the connection has ended.
    Leave { route: Route, cause: EndCause },
    /// What the link reports.
    Link(LinkEvent),
    /// The time for the launch is over.
    LaunchLate,
    /// The deadline of something in flight has come, that of the retirement, or the time for a ping.
    Tick,
    /// The other half of an end (exit or end of stream), or other verdicts of an upstream that has lost its session, have
    /// had time to arrive.
    GraceOver,
    /// The last words on standard error have been read.
    Epitaph(Option<String>),
    /// Nothing of the transport is left; what it had to report has been reported.
    Gone,
    /// From now on these settings hold.
    Configure { backend: Arc<Backend>, expose_stderr: bool },
    /// What the backend speaks was asked, since it would not shake hands.
    Spoken(Spoken),
    /// Finish and close.
    Retire { cause: Retire, by: Instant },
    /// End at once.
    Kill,
    /// A bug, for the tests.
    #[cfg(test)]
    Panic,
}
