//! The way of one session to its connection: what a front holds, and all it needs to hold.

mod sink;

use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use ractor::{ActorRef, MessagingErr};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::connection::{ConnectionMsg, SafeTools};
use crate::error::{EndCause, Refusal};
use crate::fault::{Fault, FaultReason};
use crate::key::ConnectionKey;
use crate::message::Envelope;
use crate::metadata::Status;
use crate::pending::{Exchange, Pending, Reply};
use crate::registry::{RegistryAddress, RegistryMsg};
use crate::session_record::{SessionRecord, Stage};
use crate::supervisor::SupervisorMsg;
use crate::usage::Usage;

pub use sink::{SessionEvent, SessionSink};

/// A handle to the connection of one session. Cheap to clone; survives every restart.
///
/// The fast path goes from here to the current Connection with one message; when there is none, the
/// Supervisor keeps the message until there is; when that is gone too, the Registry starts one.
#[derive(Clone)]
pub struct Route(Arc<Inner>);

struct Inner {
    key: ConnectionKey,
    registry: RegistryAddress,
    /// Ours rather than the client's: handshake and `initialized` are sent by the Connection itself.
    own: bool,
    record: ArcSwap<SessionRecord>,
    sink: Option<Box<dyn SessionSink>>,
    place: Place,
}

/// Where the key's actors are now, and what they say of themselves.
pub(crate) struct Place {
    pub(crate) connection: ArcSwapOption<ActorRef<ConnectionMsg>>,
    pub(crate) supervisor: ArcSwapOption<ActorRef<SupervisorMsg>>,
    pub(crate) status: ArcSwapOption<Status>,
    pub(crate) max_error_count: u32,
    pub(crate) usage: Usage,
    /// As the backend's own tool list said, in whatever incarnation.
    pub(crate) safe_tools: ArcSwap<SafeTools>,
    pub(crate) timeouts: mcpvisor_config::Timeouts,
    /// Whether the session has an open stream for what belongs to no request.
    pub(crate) stream_open: std::sync::atomic::AtomicBool,
    /// Why the session is over, once it is.
    ended: OnceLock<EndCause>,
}

/// The answer to a client's `initialize`.
#[derive(Debug, Clone)]
pub struct Attached {
    /// The backend's answer, byte for byte but for the id.
    pub answer: Bytes,
    /// False: it was an error; the session must not be made.
    pub accepted: bool,
}

impl Route {
    pub(crate) fn new(
        key: ConnectionKey,
        registry: RegistryAddress,
        record: SessionRecord,
        own: bool,
        sink: Option<Box<dyn SessionSink>>,
        backend: &mcpvisor_config::Backend,
    ) -> Self {
        let place = Place {
            connection: ArcSwapOption::empty(),
            supervisor: ArcSwapOption::empty(),
            status: ArcSwapOption::empty(),
            max_error_count: backend.pool.max_error_count,
            usage: Usage::new(Instant::now()),
            safe_tools: ArcSwap::default(),
            timeouts: backend.timeouts,
            stream_open: false.into(),
            ended: OnceLock::new(),
        };
        Self(Arc::new(Inner { key, registry, own, record: ArcSwap::from_pointee(record), sink, place }))
    }

    /// A route that is nobody's session: mcpvisor shakes hands for itself.
    pub(crate) fn own(
        key: ConnectionKey,
        registry: RegistryAddress,
        backend: &mcpvisor_config::Backend,
    ) -> Self {
        let initialize = crate::connection::own_initialize(backend);
        Self::new(key, registry, SessionRecord::new("", initialize), true, None, backend)
    }

    /// The connection that this leads to.
    pub fn key(&self) -> &ConnectionKey {
        &self.0.key
    }

    /// What would be replayed now.
    pub fn record(&self) -> Arc<SessionRecord> {
        self.0.record.load_full()
    }

    /// Launches the backend if need be and waits for its answer to `initialize`.
    pub async fn attach(&self) -> Result<Attached, Refusal> {
        let (reply, answer) = oneshot::channel();
        let message = RegistryMsg::Attach { route: self.clone(), reply };
        if self.0.registry.send_to_next(message).await.is_err() {
            return Err(self.shutting_down());
        }
        answer.await.unwrap_or_else(|_| {
            let fault =
                Fault::new(FaultReason::Panic, "mcpvisor failed while it launched; please report this");
            Err(Refusal::LaunchFailed { backend: self.key().backend_id.clone(), fault: fault.into() })
        })
    }

    /// Sends a request; the receiver gets its exchange. Whatever happens, it gets one.
    pub fn request(&self, message: Envelope) -> oneshot::Receiver<Exchange> {
        let (reply, exchange) = Reply::new();
        let now = Instant::now();
        let timeouts = &self.place().timeouts;
        let (deadline, last) = (now + timeouts.request, now + timeouts.request_max.max(timeouts.request));
        self.place().usage.request(now);
        self.dispatch(Pending::new(message, reply, self.clone(), deadline, last));
        exchange
    }

    /// Sends a notification of the client.
    pub fn notify(&self, message: Envelope) {
        self.place().usage.touch(Instant::now());
        if message.method() == Some("notifications/initialized") {
            // The client says it once, whatever becomes of the connection that it was meant for.
            self.update_record(|record| record.stage = record.stage.max(Stage::Initialized));
        }
        let message = match self.to_connection(ConnectionMsg::Notify(message)) {
            Some(ConnectionMsg::Notify(message)) => message,
            _ => return,
        };
        let message = match self.to_supervisor(SupervisorMsg::Notify(message)) {
            Some(SupervisorMsg::Notify(message)) => message,
            _ => return,
        };
        // With no registry left the service is ending, and the notification with it.
        let _ = self.0.registry.send(RegistryMsg::Notify { key: self.key().clone(), message });
    }

    /// Sends the client's answer to a request of the backend. An answer to an incarnation that is gone
    /// has no reader and is dropped.
    pub fn respond(&self, message: Envelope) {
        self.place().usage.touch(Instant::now());
        drop(self.to_connection(ConnectionMsg::Respond(message)));
    }

    /// Says whether the session has a stream for what belongs to no request.
    pub fn set_stream_open(&self, open: bool) {
        self.place().stream_open.store(open, std::sync::atomic::Ordering::Relaxed);
    }

    /// Ends the session: its connection is retired, what is in flight and what still comes is answered with
    /// `session_ended`.
    pub fn end(&self, cause: EndCause) {
        self.has_ended(cause);
        let _ = self.0.registry.send(RegistryMsg::End { key: self.key().clone(), cause, done: None });
    }

    /// From here to the current Connection, else to the Supervisor, else to the Registry.
    pub(crate) fn dispatch(&self, pending: Pending) {
        let pending = match self.to_connection(ConnectionMsg::Request(pending)) {
            Some(ConnectionMsg::Request(pending)) => pending,
            _ => return,
        };
        let pending = match self.to_supervisor(SupervisorMsg::Request(pending)) {
            Some(SupervisorMsg::Request(pending)) => pending,
            _ => return,
        };
        self.reroute(pending);
    }

    /// To the Registry, which knows or starts the Supervisor.
    pub(crate) fn reroute(&self, pending: Pending) {
        let Err(RegistryMsg::Request(pending)) = self.0.registry.send(RegistryMsg::Request(pending)) else {
            return;
        };
        // The Registry has failed and is being replaced, or the service is ending.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return pending.refuse(self.shutting_down());
        };
        let route = self.clone();
        runtime.spawn(async move {
            let message = RegistryMsg::Request(pending);
            if let Err(RegistryMsg::Request(pending)) = route.0.registry.send_to_next(message).await {
                pending.refuse(route.shutting_down());
            }
        });
    }

    /// An attach that reached a Supervisor which was ending.
    pub(crate) fn reattach(&self, reply: crate::registry::AttachReply) {
        let message = RegistryMsg::Attach { route: self.clone(), reply };
        if let Err(RegistryMsg::Attach { reply, .. }) = self.0.registry.send(message) {
            let _ = reply.send(Err(self.shutting_down()));
        }
    }

    /// Nothing is launched for it any more; the first cause stays.
    pub(crate) fn has_ended(&self, cause: EndCause) {
        let _ = self.place().ended.set(cause);
    }

    pub(crate) fn ended(&self) -> Option<EndCause> {
        self.place().ended.get().copied()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0.place
    }

    pub(crate) fn is_own(&self) -> bool {
        self.0.own
    }

    pub(crate) fn update_record(&self, change: impl Fn(&mut SessionRecord)) {
        self.0.record.rcu(|record| {
            let mut record = SessionRecord::clone(record);
            change(&mut record);
            record
        });
    }

    /// Hands an event to the session; false if there is none to take it.
    pub(crate) fn deliver(&self, event: SessionEvent) -> bool {
        self.0.sink.as_ref().map(|sink| sink.deliver(event)).is_some()
    }

    /// Error count and limit, as last published.
    pub(crate) fn limits(&self) -> (u32, u32) {
        let status = self.place().status.load();
        let errors = status.as_ref().map_or(0, |status| status.error_count);
        (errors, self.place().max_error_count)
    }

    fn shutting_down(&self) -> Refusal {
        Refusal::ShuttingDown { backend: self.key().backend_id.clone(), close: true }
    }

    /// The message back, if there is nobody to take it.
    fn to_connection(&self, message: ConnectionMsg) -> Option<ConnectionMsg> {
        let connection = self.place().connection.load();
        match connection.as_ref() {
            Some(connection) => undelivered(connection.send_message(message)),
            None => Some(message),
        }
    }

    fn to_supervisor(&self, message: SupervisorMsg) -> Option<SupervisorMsg> {
        let supervisor = self.place().supervisor.load();
        match supervisor.as_ref() {
            Some(supervisor) => undelivered(supervisor.send_message(message)),
            None => Some(message),
        }
    }
}

/// `SendErr` gives the message back: it was never delivered and may go elsewhere.
fn undelivered<M>(sent: Result<(), MessagingErr<M>>) -> Option<M> {
    match sent {
        Err(MessagingErr::SendErr(message)) => Some(message),
        _ => None,
    }
}
