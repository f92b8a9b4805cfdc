//! A session as the front sees it: whom it belongs to, where its requests go, and its Session actor,
//! which owns its streams.

mod actor;
mod counted;
mod outbox;
mod replay;
mod replies;
mod sessions;
mod table;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::{ArcSwapOption, ArcSwapWeak};
use mcpvisor_actors::actor::ActorRef;
use mcpvisor_actors::byte_channel;
use mcpvisor_actors::message::Envelope;
use mcpvisor_actors::{Credentials, EndCause, Route, SessionEvent, SessionSink};
use tokio::time::Instant;

pub(crate) use actor::{NotKept, OpenFeed, SessionMsg};
pub(crate) use replay::{Bounds, Replay};
pub(crate) use sessions::Sessions;
pub(crate) use table::{Room, Table};

use super::admission::Held;
use super::face::Face;
use super::unified::Hub;
use super::version::Version;

/// What may be on its way to one reader; a reader that is further behind is cut off.
pub(crate) const FEED: byte_channel::Bounds = byte_channel::Bounds { messages: 256, bytes: 8 << 20 };

/// One session. The fast path (a request and its answer) touches nothing else.
pub(crate) struct Session {
    id: Arc<str>,
    principal: Arc<str>,
    face: Arc<Face>,
    way: Way,
    mailbox: Arc<Mailbox>,
    negotiated: OnceLock<(Version, Box<str>)>,
    opened: Instant,
    /// Milliseconds after `opened`.
    last_used: AtomicU64,
    in_use: AtomicU32,
    /// Whether server requests wait for a stream.
    holds: AtomicBool,
    /// Counters outside the actor, so that no id repeats after it was rebuilt.
    streams: AtomicU64,
    events: AtomicU64,
    /// Bytes of large answers that its clients have not taken yet.
    unfetched: AtomicUsize,
    /// Counts the streams of it that belong to no request, while there are any.
    streams_held: ArcSwapWeak<Held>,
    /// Counts it among those of its principal and of its backend, where these are bounded, until it has ended.
    counted: ArcSwapOption<Held>,
}

/// Where the requests of a session go.
pub(crate) enum Way {
    /// To one backend.
    One(Route),
    /// To several, as one.
    Many(Arc<Hub>),
}

/// The address of a session's actor: empty before it starts, another after it was rebuilt.
#[derive(Default)]
pub(crate) struct Mailbox(ArcSwapOption<ActorRef<SessionMsg>>);

/// Keeps a session from expiring.
pub(crate) struct InUse(Arc<Session>);

impl Session {
    /// A session that has not been answered yet.
    pub(crate) fn new(
        id: Arc<str>,
        principal: Arc<str>,
        face: Arc<Face>,
        way: Way,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        Self {
            id,
            principal,
            face,
            way,
            mailbox,
            negotiated: OnceLock::new(),
            opened: Instant::now(),
            last_used: AtomicU64::new(0),
            in_use: AtomicU32::new(0),
            holds: AtomicBool::new(false),
            streams: AtomicU64::new(1),
            events: AtomicU64::new(1),
            unfetched: AtomicUsize::new(0),
            streams_held: ArcSwapWeak::default(),
            counted: ArcSwapOption::empty(),
        }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    pub(crate) fn face(&self) -> &Arc<Face> {
        &self.face
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    /// What people see of its id.
    pub(crate) fn hash(&self) -> String {
        match &self.way {
            Way::One(route) => route.key().session_hash(),
            Way::Many(hub) => hub.session_hash(),
        }
    }

    /// Passes a notification of the client on.
    pub(crate) fn notify(&self, message: Envelope) {
        match &self.way {
            Way::One(route) => route.notify(message),
            Way::Many(hub) => hub.notify(message),
        }
    }

    /// Passes on what the client answers to a request of a backend.
    pub(crate) fn respond(&self, message: Envelope) {
        match &self.way {
            Way::One(route) => route.respond(message),
            Way::Many(hub) => hub.respond(&message),
        }
    }

    /// From now on its client shows this to the backends that are to see it.
    pub(crate) fn present(&self, credentials: &Credentials) {
        match &self.way {
            Way::One(route) => route.present(credentials),
            Way::Many(hub) => hub.present(credentials),
        }
    }

    /// Says whether it has a stream for what belongs to no request.
    pub(crate) fn set_stream_open(&self, open: bool) {
        match &self.way {
            Way::One(route) => route.set_stream_open(open),
            Way::Many(hub) => hub.set_stream_open(open),
        }
    }

    /// Lets go of its connections.
    pub(crate) fn let_go(&self, cause: EndCause) {
        match &self.way {
            Way::One(route) => route.end(cause),
            Way::Many(hub) => hub.end(cause),
        }
    }

    /// Why it is over, once it is.
    pub(crate) fn ended(&self) -> Option<EndCause> {
        match &self.way {
            Way::One(route) => route.ended(),
            Way::Many(hub) => hub.ended(),
        }
    }

    /// The handshake is done; the session speaks this revision.
    pub(crate) fn negotiate(&self, version: &str) {
        // Only the first answer counts; a replayed handshake with another version ends the session.
        let _ = self.negotiated.set((Version::of(version), version.into()));
    }

    /// The negotiated revision.
    pub(crate) fn version(&self) -> Version {
        self.negotiated.get().map_or(Version::V2025_03_26, |negotiated| negotiated.0)
    }

    /// Its name, as the backend wrote it.
    pub(crate) fn version_name(&self) -> &str {
        self.negotiated.get().map_or("", |negotiated| &negotiated.1)
    }

    /// Tells the actor. A message that finds none (it is being rebuilt, or the session is over) is lost,
    /// with any reply channel in it.
    pub(crate) fn send(&self, message: SessionMsg) {
        self.mailbox.send(message);
    }

    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Names the next stream of a POST.
    pub(crate) fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Relaxed)
    }

    /// Numbers the next event of the standalone stream.
    pub(crate) fn next_event(&self) -> u64 {
        self.events.fetch_add(1, Relaxed)
    }

    /// The last number given by [`Session::next_event`].
    pub(crate) fn last_event(&self) -> u64 {
        self.events.load(Relaxed) - 1
    }

    pub(crate) fn holds(&self) -> bool {
        self.holds.load(Relaxed)
    }

    pub(crate) fn set_holds(&self, holds: bool) {
        self.holds.store(holds, Relaxed);
    }

    /// Notes a use now.
    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_used.store(now, Relaxed);
    }

    /// Notes a use that lasts.
    pub(crate) fn begin_use(self: &Arc<Self>) -> InUse {
        self.in_use.fetch_add(1, Relaxed);
        InUse(self.clone())
    }

    /// Bytes of large answers on their way to its clients.
    pub(crate) fn unfetched(&self) -> &AtomicUsize {
        &self.unfetched
    }

    /// How long nobody used it; zero while somebody does.
    pub(crate) fn unused_for(&self) -> Duration {
        if self.in_use.load(Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.last_used.load(Relaxed)))
    }

    /// How long it has been there.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_use.fetch_sub(1, Relaxed);
    }
}

impl Mailbox {
    pub(crate) fn set(&self, actor: ActorRef<SessionMsg>) {
        self.0.store(Some(Arc::new(actor)));
    }

    pub(crate) fn send(&self, message: SessionMsg) {
        if let Some(actor) = self.0.load().as_ref() {
            // Undeliverable: see `Session::send`.
            drop(actor.send_message(message));
        }
    }
}

/// Carries what a backend says of its own accord to the session's actor.
pub(crate) struct Sink(pub(crate) Arc<Mailbox>);

impl SessionSink for Sink {
    fn deliver(&self, event: SessionEvent) {
        self.0.send(SessionMsg::Event(event));
    }
}

#[cfg(test)]
mod tests;
