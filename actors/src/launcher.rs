//! The public handle to the tree.

mod guests;
mod operator;
mod reload;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::{Backend, Config};
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::actor::{Actor, ActorRef};
use crate::children::{Children, ChildrenUsage};
use crate::confine::Confiner;
use crate::connection_handle::ConnectionHandle;
use crate::error::Refusal;
use crate::event::{EventSender, EventStream};
use crate::guard::Guard;
use crate::instance::random_instance;
use crate::key::ConnectionKey;
use crate::link::http::Tokens;
use crate::live::{Live, Settings, served, unknown_backend};
use crate::metadata::ConnectionMetadata;
use crate::pool::SessionConnectionPool;
use crate::process::Sweeper;
use crate::registry::{Eras, Hosts, RegistryAddress, RegistryArgs, RegistryMsg, Stopped};
use crate::root::{Root, RootArgs, RootMsg};
use crate::route::{Route, RouteKind, SessionSink};
use crate::session_record::SessionRecord;

pub use reload::ReloadRefused;

/// Why the tree could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The root actor failed; only the end of the runtime does that.
    #[error("the supervision tree could not be started: {0}")]
    Root(String),
    /// The shipped defaults cannot be read; a bug of ours.
    #[error("the shipped defaults cannot be read: {0}")]
    Defaults(String),
}

/// What a tree is started with besides its configuration. The default suits a program that is not killed.
#[derive(Debug, Clone, Default)]
pub struct LauncherOptions {
    /// The arguments with which this very program, started once more, calls [`run_guard`](crate::run_guard) first thing.
    /// `None`: there is no guard, and a SIGKILL of this process leaves servers behind that ignore the end of their input.
    pub guard: Option<Vec<OsString>>,
    /// The arguments with which this very program, started once more, hands those that follow to
    /// [`run_confined`](crate::run_confined) first thing. `None`: a backend with a `sandbox` is not started.
    pub confine: Option<Vec<OsString>>,
    /// A private folder for what the engines of containers write down while these run. `None`: the one for what is temporary.
    pub folder: Option<PathBuf>,
    /// The name of this start, of [`random_instance`] and written down somewhere, so that the next start can end what this
    /// one leaves behind ([`sweep_instances`](crate::sweep_instances)). `None`: one that nobody knows.
    pub instance: Option<Arc<str>>,
    /// Tells of what happens in the tree, from its first event on ([`Launcher::events`] begins later).
    pub events: Option<EventSender>,
}

/// Launches MCP servers and keeps them: get-or-launch by backend, or by backend and session.
///
/// Cheap to clone. Cancelling the token given to [`Launcher::new`] closes it, as [`Launcher::close`] does.
#[derive(Clone)]
pub struct Launcher {
    shared: Arc<Shared>,
}

struct Shared {
    live: Arc<Live>,
    instance: Arc<str>,
    address: RegistryAddress,
    root: ActorRef<RootMsg>,
    guard: Guard,
    children: Children,
    hosts: Hosts,
    eras: Eras,
    events: EventSender,
    escalated: watch::Receiver<bool>,
    cancel: CancellationToken,
}

impl Launcher {
    /// Starts the tree. Nothing is launched before somebody asks for it, but for what a backend keeps in reserve (`warm`).
    pub async fn new(config: impl Into<Arc<Config>>, cancel: CancellationToken) -> Result<Self, StartError> {
        Self::with_options(config, cancel, LauncherOptions::default()).await
    }

    /// The same with a guard, or a name of one's own.
    pub async fn with_options(
        config: impl Into<Arc<Config>>,
        cancel: CancellationToken,
        options: LauncherOptions,
    ) -> Result<Self, StartError> {
        let live = Arc::new(Live::new(config.into()));
        let address = RegistryAddress::default();
        let instance = options.instance.unwrap_or_else(random_instance);
        let guard = match options.guard {
            Some(arguments) => Guard::start(arguments, instance.clone()).await,
            None => Guard::none(),
        };
        let children = Children::watch();
        let events = options.events.unwrap_or_default();
        let (escalated, gave_up) = watch::channel(false);
        let (hosts, eras) = (Hosts::default(), Eras::default());
        let registry = RegistryArgs {
            live: live.clone(),
            address: address.clone(),
            root: None,
            instance: instance.clone(),
            sweeper: Sweeper::with(
                guard.clone(),
                children.clone(),
                Confiner::new(options.confine, options.folder),
            ),
            events: events.clone(),
            stopped: Stopped::default(),
            hosts: hosts.clone(),
            eras: eras.clone(),
            tokens: Tokens::default(),
        };
        let args = RootArgs { registry, address: address.clone(), escalated };
        let (root, _) =
            Root::spawn(None, Root, args).await.map_err(|error| StartError::Root(error.to_string()))?;
        let cancelled = cancel.clone();
        let shared = Shared {
            live,
            instance,
            address,
            root,
            guard,
            children,
            hosts,
            eras,
            events,
            escalated: gave_up,
            cancel,
        };
        let launcher = Self { shared: Arc::new(shared) };
        let closing = launcher.clone();
        tokio::spawn(async move {
            cancelled.cancelled().await;
            closing.drain(Instant::now() + closing.config().gateway.drain_timeout, true).await;
        });
        launcher.started().await?;
        Ok(launcher)
    }

    /// The connection that all sessions share, launched if there is none, ready to use.
    pub async fn get_or_launch(&self, backend: &str) -> Result<ConnectionHandle, Refusal> {
        self.open(ConnectionKey::shared(backend)).await
    }

    /// The connection of one session, launched if there is none, ready to use.
    pub async fn get_or_launch_for_session(
        &self,
        backend: &str,
        session: &str,
    ) -> Result<ConnectionHandle, Refusal> {
        self.open(ConnectionKey::new(backend, session)).await
    }

    /// The names of the configured backends that are served, sorted.
    pub fn server_ids(&self) -> Vec<String> {
        served(&self.config()).map(|backend| backend.name.clone()).collect()
    }

    /// Refuses new work, lets what is in flight finish within `gateway.drain_timeout`, ends every process.
    pub async fn close(&self) {
        self.shared.cancel.cancel();
        self.drain(Instant::now() + self.config().gateway.drain_timeout, true).await;
    }

    /// The same connections, addressed by key.
    pub fn pool(&self) -> SessionConnectionPool {
        SessionConnectionPool::of(self.clone())
    }

    /// What the tree runs on now.
    pub fn config(&self) -> Arc<Config> {
        self.shared.live.config()
    }

    /// The random name of this start; the marker of its children begins with it.
    pub fn instance(&self) -> &str {
        &self.shared.instance
    }

    /// The backend of that name, if it is configured and enabled.
    pub fn backend(&self, name: &str) -> Result<Arc<Backend>, Refusal> {
        Ok(self.settings(name)?.load_full())
    }

    /// The way of a session to its connection: its own, or one that it shares, as the backend's `isolation` says.
    /// Launches nothing yet.
    pub fn route(
        &self,
        backend: &str,
        session: &str,
        record: SessionRecord,
        sink: Box<dyn SessionSink>,
    ) -> Result<Route, Refusal> {
        let settings = self.settings(backend)?;
        let key = ConnectionKey::isolated(&settings.load(), session, &record.principal);
        let kind = if &*key.session_id == session { RouteKind::Session } else { RouteKind::Member };
        Ok(Route::new(key, self.shared.address.clone(), record, kind, Some(sink), settings))
    }

    /// A copy of what is known of every connection, sorted by key. Empty while the Registry is replaced.
    pub async fn list(&self) -> Vec<ConnectionMetadata> {
        let (reply, list) = oneshot::channel();
        let asked = self.shared.address.send(RegistryMsg::List { reply });
        if asked.is_ok() { list.await.unwrap_or_default() } else { Vec::new() }
    }

    /// Whether the Registry answers within `limit`.
    pub async fn alive(&self, limit: Duration) -> bool {
        let (reply, answer) = oneshot::channel();
        let asked = self.shared.address.send(RegistryMsg::Alive { reply });
        asked.is_ok() && matches!(tokio::time::timeout(limit, answer).await, Ok(Ok(())))
    }

    /// Sets the gauges that are counted anew each time (errors, waits, requests, actors) to what is now: to be called before
    /// metrics are shown. False: the Registry did not answer within `limit`, and they are as they were.
    pub async fn measure(&self, limit: Duration) -> bool {
        let (reply, answer) = oneshot::channel();
        let asked = self.shared.address.send(RegistryMsg::Measure { reply });
        asked.is_ok() && matches!(tokio::time::timeout(limit, answer).await, Ok(Ok(())))
    }

    /// What the processes of the backends used when they were last looked at, which is done every 10 s.
    pub fn children(&self) -> Arc<ChildrenUsage> {
        self.shared.children.usage()
    }

    /// Refuses new work from now on; what is in flight and the ends of all processes share the time to
    /// `deadline`. Returns when nothing lives any more, or at the deadline.
    pub async fn drain(&self, deadline: Instant, close: bool) {
        let (done, drained) = oneshot::channel();
        if self.shared.root.send_message(RootMsg::Drain { deadline, close, done }).is_err() {
            return;
        }
        if tokio::time::timeout_at(deadline, drained).await.is_err() {
            tracing::warn!("the drain did not finish in time; what is left is killed");
            return;
        }
        // Not before: whatever is left is the guard's until then.
        self.shared.guard.goodbye().await;
    }

    /// Hears of every supervision event from now on. Whoever is too slow loses events, and nobody waits for them.
    pub fn events(&self) -> EventStream {
        self.shared.events.subscribe()
    }

    /// Waits until supervision has given up: the program is to exit with code 70.
    pub async fn escalated(&self) {
        let mut escalated = self.shared.escalated.clone();
        if escalated.wait_for(|gave_up| *gave_up).await.is_err() {
            // The Root is gone without having given up: that is the end of the program anyway.
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn address(&self) -> &RegistryAddress {
        &self.shared.address
    }

    fn settings(&self, name: &str) -> Result<Settings, Refusal> {
        let settings = self.shared.live.settings(name);
        settings.ok_or_else(|| unknown_backend(&self.config(), &name.into()))
    }

    async fn open(&self, key: ConnectionKey) -> Result<ConnectionHandle, Refusal> {
        self.settings(&key.backend_id)?;
        let closed = || Refusal::ShuttingDown { backend: key.backend_id.clone(), close: true };
        let (reply, route) = oneshot::channel();
        if self.shared.address.send_to_next(RegistryMsg::Open { key: key.clone(), reply }).await.is_err() {
            return Err(closed());
        }
        let route = route.await.unwrap_or_else(|_| Err(closed()))?;
        route.attach().await?;
        Ok(ConnectionHandle::new(route))
    }

    /// The Registry is started by the Root after the Root itself.
    async fn started(&self) -> Result<(), StartError> {
        let (reply, answer) = oneshot::channel();
        let asked = self.shared.address.send_to_next(RegistryMsg::Alive { reply }).await;
        let answered = asked.is_ok() && answer.await.is_ok();
        answered.then_some(()).ok_or_else(|| StartError::Root("the registry does not answer".to_owned()))
    }
}
