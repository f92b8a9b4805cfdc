//! The way of one session to its connection: what a front holds, and all it needs to hold.
//!
//! A session has a connection of its own, or shares one with others (`isolation`). Then a route that is nobody's
//! session stands for the key, and those of the sessions join it.

mod guest;
mod members;
mod place;
mod sink;
mod telling;
mod ways;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::credentials::{Credentials, Newest};
use crate::error::{EndCause, Refusal};
use crate::fault::{Fault, FaultReason};
use crate::filter;
use crate::key::ConnectionKey;
use crate::live::Settings;
use crate::message::Envelope;
use crate::pending::{Exchange, Pending, Reply};
use crate::registry::{RegistryAddress, RegistryMsg};
use crate::session_record::SessionRecord;

use place::Place;
pub use sink::{SessionEvent, SessionSink};
pub(crate) use ways::Notice;

/// Names a session among those of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(usize);

/// A handle to the connection of one session. Cheap to clone; survives every restart.
///
/// The fast path goes from here to the current Connection with one message; when there is none, the
/// Supervisor keeps the message until there is; when that is gone too, the Registry starts one.
#[derive(Clone)]
pub struct Route(Arc<Inner>);

struct Inner {
    key: ConnectionKey,
    registry: RegistryAddress,
    kind: RouteKind,
    record: ArcSwap<SessionRecord>,
    sink: Option<Box<dyn SessionSink>>,
    place: ArcSwap<Place>,
    /// Whether the session has an open stream for what belongs to no request.
    stream_open: AtomicBool,
    /// Whether its request waits until its client comes back with answers.
    parked: AtomicBool,
    /// Why the session is over, once it is.
    ended: OnceLock<EndCause>,
}

/// Whose connection it leads to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RouteKind {
    /// The session's own.
    Session,
    /// Nobody's, or everybody's: handshake and `initialized` are sent by the Connection itself.
    Own,
    /// One that the session shares with others: another route ([`RouteKind::Own`]) stands for the key.
    Member,
    /// The same for one request of a client that has no session. It hears what precedes its answer, and nothing that
    /// is said to all.
    Guest,
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
        kind: RouteKind,
        sink: Option<Box<dyn SessionSink>>,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Inner {
            key,
            registry,
            kind,
            record: ArcSwap::from_pointee(record),
            sink,
            place: ArcSwap::from_pointee(Place::new(settings)),
            stream_open: false.into(),
            parked: false.into(),
            ended: OnceLock::new(),
        }))
    }

    /// A route that is nobody's session: mcpvisor shakes hands for itself.
    pub(crate) fn own(key: ConnectionKey, registry: RegistryAddress, settings: Settings) -> Self {
        let initialize = crate::connection::own_initialize(&settings.load());
        Self::new(key, registry, SessionRecord::new("", initialize), RouteKind::Own, None, settings)
    }

    /// A session that leads nowhere.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let text = "[backends.b]\ncommand = \"/nowhere\"\n".to_owned();
        let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text };
        let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
        let config = mcpvisor_config::load(request).unwrap_or_else(|errors| panic!("{errors}")).config;
        let (key, record) = (ConnectionKey::new("b", "s"), SessionRecord::default());
        let settings = crate::live::settings(config.backends["b"].clone());
        Self::new(key, RegistryAddress::default(), record, RouteKind::Session, None, settings)
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
        let attached = answer.await.unwrap_or_else(|_| {
            let fault =
                Fault::new(FaultReason::Panic, "mcpvisor failed while it launched; please report this");
            Err(Refusal::LaunchFailed { backend: self.key().backend_id.clone(), fault: fault.into() })
        })?;
        if self.0.kind == RouteKind::Member && attached.accepted {
            self.update_record(|record| record.first_answer(&attached.answer));
        }
        Ok(attached)
    }

    /// Sends a request; the receiver gets its exchange. Whatever happens, it gets one.
    pub fn request(&self, message: Envelope) -> oneshot::Receiver<Exchange> {
        let (reply, exchange) = Reply::new();
        let now = Instant::now();
        let place = self.place();
        let settings = place.settings.load();
        let timeouts = &settings.timeouts;
        let (deadline, last) = (now + timeouts.request, now + timeouts.request_max.max(timeouts.request));
        let message = match filter::admit(&settings, || self.0.record.load(), &message) {
            Ok(admitted) => admitted.unwrap_or(message),
            Err(refusal) => {
                reply.answer(Err(refusal));
                return exchange;
            }
        };
        place.usage.request(now);
        self.dispatch(Pending::new(message, reply, self.clone(), deadline, last));
        exchange
    }

    /// From now on the session's client shows this. One that shows nothing for once changes nothing.
    pub fn present(&self, credentials: &Credentials) {
        if credentials.header().is_some() && self.0.record.load().credentials.as_ref() != Some(credentials) {
            self.update_record(|record| record.credentials = Some(credentials.clone()));
        }
    }

    /// Says whether the session has a stream for what belongs to no request.
    pub fn set_stream_open(&self, open: bool) {
        let place = self.place();
        let was_open = self.0.stream_open.swap(open, Relaxed);
        if was_open && place.settings.load().keep_while_streaming {
            // It was a use, and has lasted until now: a client that is about to open the next finds its server.
            place.usage.touch(Instant::now());
        }
    }

    pub(crate) fn is_stream_open(&self) -> bool {
        self.0.stream_open.load(Relaxed)
    }

    /// Ends the session: a connection of its own is retired, a shared one goes on without it. What is in flight
    /// and what still comes is answered with `session_ended`.
    pub fn end(&self, cause: EndCause) {
        self.has_ended(cause);
        let key = self.key().clone();
        let message = match self.0.kind {
            RouteKind::Member if !self.place().members.leave(self) => return,
            RouteKind::Member => RegistryMsg::Leave { route: self.clone(), cause },
            RouteKind::Guest => return,
            RouteKind::Session | RouteKind::Own => RegistryMsg::End { key, cause, done: None },
        };
        let _ = self.0.registry.send(message);
    }

    /// Nothing is launched for it any more; the first cause stays.
    pub(crate) fn has_ended(&self, cause: EndCause) {
        let _ = self.0.ended.set(cause);
    }

    /// The session, or every session that shares the connection, is over.
    pub(crate) fn all_have_ended(&self, cause: EndCause) {
        self.has_ended(cause);
        for member in self.place().members.all() {
            member.has_ended(cause);
        }
    }

    /// The same, and they are told so.
    pub(crate) fn conclude(&self, cause: EndCause) {
        self.all_have_ended(cause);
        self.deliver(SessionEvent::Ended(cause));
    }

    /// Why the session is over, once it is: nothing is launched for it any more, and its requests are refused.
    pub fn ended(&self) -> Option<EndCause> {
        self.0.ended.get().copied()
    }

    /// The value of the label `gen_ai_tool_name` for this message; `None`: it has none.
    pub fn tool_label(&self, message: &Envelope) -> Option<Arc<str>> {
        if message.method() != Some("tools/call") {
            return None;
        }
        let place = self.place();
        let names = place.tool_names.load();
        let names = names.as_ref()?;
        // By the name that the backend has for it.
        let admitted = filter::admit(&place.settings.load(), || self.0.record.load(), message);
        Some(names.label(admitted.ok().flatten().as_ref().unwrap_or(message).params()))
    }

    /// The answer to a list as the session may see it; `None`: as it is.
    pub(crate) fn seen(&self, request: &Envelope, answer: &Envelope) -> Option<Bytes> {
        let (place, record) = (self.place(), self.0.record.load());
        filter::seen(&place.settings.load(), &record.principal, request, answer)
    }

    pub(crate) fn place(&self) -> Guard<Arc<Place>> {
        self.0.place.load()
    }

    pub(crate) fn kind(&self) -> &RouteKind {
        &self.0.kind
    }

    /// Whether the session has been served: by the connection of now, or by one before it.
    pub(crate) fn is_established(&self) -> bool {
        !self.0.record.load().first_result.is_empty()
    }

    pub(crate) fn is_own(&self) -> bool {
        self.0.kind == RouteKind::Own
    }

    /// Whether both are the same session.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The session, as a key of tables that are gone before the route is.
    pub(crate) fn session(&self) -> SessionId {
        SessionId(Arc::as_ptr(&self.0).addr())
    }

    /// From now on it leads where `host` leads, and its session hears what is said there.
    pub(crate) fn join(&self, host: &Self) {
        let place = host.0.place.load_full();
        if !Arc::ptr_eq(&place, &self.0.place.load()) {
            self.0.place.store(place.clone());
        }
        if self.0.kind == RouteKind::Member {
            place.members.join(self);
        }
    }

    pub(crate) fn update_record(&self, change: impl Fn(&mut SessionRecord)) {
        self.0.record.rcu(|record| {
            let mut record = SessionRecord::clone(record);
            change(&mut record);
            record
        });
    }

    /// Error count and limit, as last published.
    pub(crate) fn limits(&self) -> (u32, u32) {
        let place = self.place();
        let errors = place.status.load().as_ref().map_or(0, |status| status.error_count);
        (errors, place.settings.load().pool.max_error_count)
    }
}

impl Newest for Route {
    fn newest(&self) -> Option<Credentials> {
        self.0.record.load().credentials.clone()
    }
}
