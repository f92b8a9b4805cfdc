//! What the Registry is told.

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::Difference;
use ractor::ActorId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{AttachReply, BackendState, News, Order, Ordered, Reloaded, SpareMsg};
use crate::credentials::Credentials;
use crate::error::{EndCause, Refusal};
use crate::key::ConnectionKey;
use crate::link::duplex::OpenTransport;
use crate::metadata::ConnectionMetadata;
use crate::pending::Pending;
use crate::probe::Spoken;
use crate::route::{Notice, Route};

/// What the Registry is told.
pub(crate) enum RegistryMsg {
    /// Get or launch the connection of `route`.
    Attach { route: Route, reply: AttachReply },
    /// Get or launch the connection that everybody shares, or that the library names.
    Open { key: ConnectionKey, reply: oneshot::Sender<Result<Route, Refusal>> },
    /// The route of a key, if there is one; never launches.
    Get { key: ConnectionKey, reply: oneshot::Sender<Option<Route>> },
    /// Put an open transport under supervision.
    Set { key: ConnectionKey, transport: OpenTransport, reply: oneshot::Sender<Result<Route, Refusal>> },
    /// A request that found no Supervisor.
    Request(Pending),
    /// A notification that found no Supervisor where it looked.
    Notify(Notice),
    /// A session that shares a connection has ended.
    Leave { route: Route, cause: EndCause },
    /// The session is over. `done` is told once its processes are gone.
    End { key: ConnectionKey, cause: EndCause, done: Option<oneshot::Sender<bool>> },
    /// An error seen outside counts against the key's budget; the count after it.
    RecordError { key: ConnectionKey, reply: oneshot::Sender<Option<u32>> },
    /// A Supervisor wants to launch; `spare`: or to get a process of the reserve.
    Ticket { key: ConnectionKey, spare: bool },
    /// A launch is over, well or not.
    TicketDone { key: ConnectionKey },
    /// What became of it, or of the incarnation that followed.
    News { key: ConnectionKey, news: News },
    /// A process in reserve.
    Spare(SpareMsg),
    /// What does this backend speak?
    Era { backend: Arc<str>, credentials: Option<Credentials>, reply: oneshot::Sender<Spoken> },
    /// A probe has ended.
    Probed { backend: Arc<str>, spoken: Option<Spoken> },
    /// The cooldown of a backend's breaker is over.
    BreakerOver { backend: Arc<str> },
    /// An operator's order for a backend, or for the session of it with this hash; how many connections it
    /// reached, `None` if there is no such backend or session.
    Operate {
        order: Order,
        backend: Arc<str>,
        session: Option<String>,
        reply: oneshot::Sender<Option<Ordered<usize>>>,
    },
    /// A Supervisor has nothing left to do.
    MayEnd { key: ConnectionKey, supervisor: ActorId },
    /// This cleanup interval has passed, for the backends that have it.
    CleanUp { interval: Duration },
    /// Another configuration holds. `difference`: to the one before.
    Reload { difference: Box<Difference>, reply: oneshot::Sender<Ordered<Reloaded>> },
    /// What is known of every key, sorted.
    List { reply: oneshot::Sender<Vec<ConnectionMetadata>> },
    /// How every backend stands, sorted.
    Backends { reply: oneshot::Sender<Vec<BackendState>> },
    /// Is anybody there?
    Alive { reply: oneshot::Sender<()> },
    /// Set the gauges of all backends to what is now.
    Measure { reply: oneshot::Sender<()> },
    /// No new work; everything retired by then.
    Drain { deadline: Instant, close: bool },
    /// A bug, for the tests.
    #[cfg(test)]
    Panic,
}
