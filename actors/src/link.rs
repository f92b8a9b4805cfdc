//! The transport of one incarnation: what a Connection sends to and hears from.
//!
//! A link has its own tasks; they report to the Connection as [`LinkEvent`]s and never block it.
//! When all that belongs to a link is gone, its [`Seat`](crate::root::Seat) is dropped, which is how the
//! rest of the tree learns it.

pub(crate) mod duplex;
mod events;
pub(crate) mod framing;
pub(crate) mod http;
mod inbound;
pub(crate) mod spare;
pub(crate) mod sse;
pub(crate) mod stderr;
pub(crate) mod stdio;
pub(crate) mod upstream;
mod writer;

use std::time::Duration;

use bytes::Bytes;
use mcpvisor_config::Timeouts;
use tokio::sync::OwnedSemaphorePermit;

use crate::credentials::{Challenge, Credentials};
use crate::fault::Fault;
use crate::message::Envelope;
use crate::process::ExitStatus;

pub(crate) use events::Events;
pub use inbound::{Inbound, classify};
pub(crate) use spare::Spare;

/// Messages of a backend that may wait in the Connection's mailbox before its reader pauses.
pub(crate) const INBOUND_AHEAD: usize = 256;

/// What became of a message handed to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way: the backend may act on it.
    Written,
    /// It waits inside the link; `LinkEvent::Written` follows for a request.
    Queued,
    /// The link's own bounded queue is full; the message was not taken.
    Full,
}

/// What a link reports.
pub(crate) enum LinkEvent {
    /// The transport is open.
    Open { link: Box<dyn Link>, pid: Option<u32> },
    /// It could not be opened.
    OpenFailed(Fault),
    /// A message; `via`: the request whose stream carried it, where the transport tells.
    Message { message: Envelope, via: Option<u64>, permit: Option<OwnedSemaphorePermit> },
    /// The same, in the words of the Connection's era, which are not those of the backend's.
    Translated { message: Envelope, via: Option<u64> },
    /// A subscription that was lost may be asked for again.
    ListenAgain,
    /// Something on standard output that is no JSON-RPC.
    Noise,
    /// These requests are on their way now.
    Written(Vec<u64>),
    /// The link can take more of what waits in it.
    Writable,
    /// The link broke.
    Broken(Fault),
    /// The same, as this request found.
    BrokenFor { request: u64, fault: Fault },
    /// The process ended, whether told to or not.
    Exited(ExitStatus),
    /// One request failed on the way, the link lives.
    Failed { request: u64, failure: RequestFailure },
    /// The upstream no longer knows its session; the request that was refused for it, if it was one.
    SessionLost { request: Option<u64> },
}

/// Why one request failed while its link lives.
pub(crate) enum RequestFailure {
    /// It counts against the budget, once per incarnation.
    Counted(Fault),
    /// It does not: the request was at fault.
    Refused(Fault),
    /// The upstream wants fewer requests.
    Busy { retry_after: Duration },
    /// It will not have what the client has shown.
    Unauthorized(Challenge),
}

impl RequestFailure {
    /// Whether the server refused the request as one that it does not understand.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// One open transport. Dropping it ends everything behind it at once.
pub(crate) trait Link: Send + 'static {
    /// Hands over one message, never waiting. `request`: the wire id, if an answer is expected.
    fn send(&mut self, message: Bytes, request: Option<u64>) -> Sent;

    /// What of an event concerns the Connection. Nothing else is between a backend and a client of the same era.
    fn hear(&mut self, event: LinkEvent) -> Vec<LinkEvent> {
        vec![event]
    }

    /// What is sent from now on is shown with these, in place of what the session has shown last (`None`).
    fn present(&mut self, _credentials: Option<Credentials>) {}

    /// Goes on with what waits inside, after `LinkEvent::Writable`; the requests now on their way.
    fn resume(&mut self) -> Result<Vec<u64>, Fault> {
        Ok(Vec::new())
    }

    /// The handshake was answered with this protocol version.
    fn established(&mut self, _version: &str) {}

    /// Sends `notifications/initialized`: from here on the backend may speak for itself.
    fn send_initialized(&mut self, message: Bytes) -> Sent {
        self.send(message, None)
    }

    /// The answer to this request is no longer wanted.
    fn abort(&mut self, _request: u64) {}

    /// Other times from now on, as far as it is not opened with them.
    fn configure(&mut self, _timeouts: &Timeouts) {}

    /// Starts an orderly end: the ladder for a process, DELETE for an upstream.
    fn close(&mut self);

    /// Ends it at once.
    fn kill(&mut self);

    /// Reads the end of the child's standard error, if there is a child.
    fn stderr(&self) -> Option<stderr::StderrTail> {
        None
    }

    /// `pipe` or `tcp`: the value of `network.transport`.
    fn transport(&self) -> &'static str;

    /// Whether each message comes with the request that it is about, and what comes without one is about none.
    fn tells_requests_apart(&self) -> bool {
        false
    }
}
