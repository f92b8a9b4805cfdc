//! The front: Streamable HTTP towards clients.
//!
//! ```text
//! connection (listener) -> gate (host, origin) -> auth -> POST | GET | DELETE -> session -> route
//! ```
//! A request inside a session goes from here straight to its Connection and back (`exchange`); what a
//! backend says of its own accord goes through the session's actor into a stream (`session`, `events`).

mod admission;
mod batch;
mod body;
mod busy_poll;
mod caller;
mod era;
mod events;
mod exchange;
pub(crate) mod face;
mod feed;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(crate) mod gate;
mod health;
mod inbound;
mod initialize;
mod lease;
mod measure;
mod media;
mod modern;
mod payload;
mod post;
mod rejection;
mod reload;
mod resource_metadata;
mod router;
mod rules;
mod session;
mod sse;
mod target;
mod unfetched;
pub(crate) mod unified;
mod version;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use hyper::service::service_fn;
use mcpvisor_actors::{EndCause, Launcher};
use mcpvisor_config::Config;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::listen::Listening;
use crate::telemetry::limits;
use crate::tls::Tls;
use admission::Admission;
use busy_poll::BusyPoll;
pub(crate) use measure::count_auth_failure;
pub(crate) use modern::meta::names_a_version;
use modern::{Parking, Seal};
use rules::Rules;
use session::{Sessions, Table};
use sse::Channels;

const OPEN: u8 = 0;
const DRAINING: u8 = 1;
const CLOSING: u8 = 2;

/// Serves MCP clients over HTTP.
pub struct Front {
    launcher: Launcher,
    /// Tripped by `POST /close`.
    shutdown: CancellationToken,
    /// As configured now.
    rules: ArcSwap<Rules>,
    sessions: Sessions,
    admission: Admission,
    /// Clients of the older HTTP+SSE.
    channels: Arc<Channels>,
    /// For what goes on after its request.
    me: Weak<Front>,
    state: AtomicU8,
    busy_poll: BusyPoll,
    /// Told of every reload.
    reloaded: watch::Sender<()>,
    /// Cancelled when the service begins to drain.
    ending: CancellationToken,
    parking: Parking,
    /// `None`: the system has no random numbers.
    seal: Option<Arc<Seal>>,
}

impl Front {
    /// A front for the backends of `config`, on the current runtime. `shutdown` is cancelled when a client
    /// asks the service to close.
    pub fn new(launcher: Launcher, config: &Config, shutdown: CancellationToken) -> Arc<Self> {
        measure::register_auth_failures();
        limits::register();
        let table = Arc::new(Table::new(config.limits.max_sessions));
        Arc::new_cyclic(|me| Self {
            channels: Arc::default(),
            me: me.clone(),
            rules: ArcSwap::from_pointee(Rules::new(config)),
            sessions: Sessions::start(table, config.session.ttl),
            admission: Admission::new(config),
            state: AtomicU8::new(OPEN),
            busy_poll: BusyPoll::start(config.gateway.busy_poll),
            reloaded: watch::Sender::new(()),
            ending: CancellationToken::new(),
            parking: Parking::start(),
            seal: Seal::new(&config.session.state_key).map(Arc::new),
            launcher,
            shutdown,
        })
    }

    /// Serves connections until `stop`. From then on none is accepted, idle ones are closed, and it
    /// returns once those with a response in flight are done: streams too, so see [`Front::end_all`].
    pub async fn serve(self: Arc<Self>, listener: TcpListener, tls: Tls, stop: CancellationToken) {
        let launcher = self.launcher.clone();
        let listening = Listening { spares_descriptors: true, http: move || launcher.config().http, tls };
        let service = |peer| {
            let front = self.clone();
            service_fn(move |request| {
                let front = front.clone();
                async move { Ok::<_, Infallible>(front.respond(request, peer).await) }
            })
        };
        listening.serve(listener, stop, service).await;
    }

    /// From now on not ready; new sessions and new requests are refused. What is in flight goes on.
    /// `close`: told by `POST /close` rather than by a signal.
    pub fn begin_drain(&self, close: bool) {
        self.state.fetch_max(if close { CLOSING } else { DRAINING }, SeqCst);
        self.ending.cancel();
    }

    /// Whether the service is ending.
    pub fn is_draining(&self) -> bool {
        self.draining().is_some()
    }

    /// Sessions that are there now.
    pub fn session_count(&self) -> usize {
        self.sessions.table().len()
    }

    /// Ends every session and its streams; the backends are the launcher's to drain.
    pub async fn end_all(&self) {
        let table = self.sessions.table();
        for session in table.all() {
            table.remove(session.id(), EndCause::Operator);
        }
        self.sessions.stop().await;
    }

    /// Whether the service is ending, and if so whether it was told to close.
    fn draining(&self) -> Option<bool> {
        match self.state.load(SeqCst) {
            OPEN => None,
            state => Some(state == CLOSING),
        }
    }
}
