//! Get or launch: the one place where a key comes to be.

use std::sync::Arc;

use ractor::ActorId;

use super::entry::{self, Entry};
use super::shares;
use super::{RegistryMsg, RegistryState, tell};
use crate::actor::{Actor, ActorRef};
use crate::error::{EndCause, Overload, Refusal};
use crate::event::{EventKind, SupervisionEvent};
use crate::key::ConnectionKey;
use crate::link::duplex::OpenTransport;
use crate::live::{self, Settings, unknown_backend};
use crate::route::{Route, RouteKind};
use crate::supervisor::{Configured, Supervisor, SupervisorArgs, SupervisorMsg};

/// What a Supervisor begins with.
pub(super) enum First {
    /// A launch, once somebody wants it.
    Launch,
    /// This transport, which is open already.
    Transport(OpenTransport),
    /// The count of the failure of the one before it.
    Resume,
}

impl RegistryState {
    /// The Supervisor of the route's key: the one there is, or a new one.
    pub(super) async fn get_or_launch(
        &mut self,
        myself: &ActorRef<RegistryMsg>,
        route: &Route,
    ) -> Result<&ActorRef<SupervisorMsg>, Refusal> {
        let key = route.key().clone();
        if let Some(cause) = route.ended() {
            return Err(Refusal::SessionEnded { backend: key.backend_id, cause });
        }
        if *route.kind() != RouteKind::Own && route.is_established() && self.is_removed(&key) {
            // It had no connection when its backend went, and nobody knew it then.
            route.conclude(EndCause::Removed);
            return Err(Refusal::SessionEnded { backend: key.backend_id, cause: EndCause::Removed });
        }
        let host = self.host_of(route);
        if !self.entries.contains_key(&key) {
            self.may_start(&key)?;
            let principal = shares::owner(route);
            self.has_room_for(&key, principal.as_deref())?;
            self.start(myself, host, First::Launch, principal).await?;
        }
        match self.entries.get(&key) {
            Some(entry) => Ok(&entry.supervisor),
            None => Err(self.shutting_down(&key)),
        }
    }

    /// The route that stands for the key of `route`; one that shares its connection joins it.
    fn host_of(&mut self, route: &Route) -> Route {
        if *route.kind() == RouteKind::Session {
            return route.clone();
        }
        let key = route.key();
        let Some(settings) = self.args.live.settings(&key.backend_id) else { return route.clone() };
        if route.is_own() {
            self.hosts.adopt(route);
        }
        let host = self.hosts.of_route(route, &self.args.address, settings);
        if !host.is(route) {
            route.join(&host);
        }
        host
    }

    /// A Supervisor failed: a session that was served goes on with another one, which counts that. The Root waits
    /// for the end of the old processes.
    pub(super) async fn resume(&mut self, myself: &ActorRef<RegistryMsg>, failed: Entry) {
        let Entry { route, principal, .. } = failed;
        let served = !route.record().first_result.is_empty();
        if !served
            || route.ended().is_some()
            || self.draining.is_some()
            || self.is_stopped(&route.key().backend_id)
        {
            return;
        }
        // Refused only where the service ends.
        let _ = self.start(myself, route, First::Resume, principal).await;
    }

    /// Whether nothing is, or will be, behind the key.
    fn is_removed(&self, key: &ConnectionKey) -> bool {
        !self.backends.contains_key(&key.backend_id) && !self.entries.contains_key(key)
    }

    /// May this key be launched, by name and by number?
    pub(super) fn may_start(&mut self, key: &ConnectionKey) -> Result<Settings, Refusal> {
        if self.draining.is_some() {
            return Err(self.shutting_down(key));
        }
        if self.is_stopped(&key.backend_id) {
            return Err(Refusal::stopped_by_operator(key.backend_id.clone()));
        }
        if let Some(refusal) = self.held(&key.backend_id) {
            return Err(refusal);
        }
        let config = self.args.live.config();
        if self.entries.len() >= config.limits.max_connections {
            let retry_after = config.pool.cleanup_interval;
            let (backend, what) = (key.backend_id.clone(), Overload::Connections);
            let most = Some(config.limits.max_connections as u64);
            return Err(Refusal::Overloaded { backend, what, most, retry_after });
        }
        let known = self.backends.contains_key(&key.backend_id);
        let settings = self.args.live.settings(&key.backend_id).filter(|_| known);
        let settings = settings.ok_or_else(|| unknown_backend(&config, &key.backend_id))?;
        let most = settings.load().limits.max_connections;
        // Counted anew at each launch, which costs far more, and only where it has fewer than all together.
        let own = || self.entries.keys().filter(|other| other.backend_id == key.backend_id).count();
        if most < config.limits.max_connections && own() >= most {
            let retry_after = config.pool.cleanup_interval;
            let (backend, what) = (key.backend_id.clone(), Overload::BackendConnections);
            return Err(Refusal::Overloaded { backend, what, most: Some(most as u64), retry_after });
        }
        self.make_room(key, settings.load().limits.max_memory)?;
        Ok(settings)
    }

    /// A Supervisor panicked.
    pub(super) fn tell_failed(&self, supervisor: ActorId, why: &str) {
        let text = format!("a supervisor failed; please report this: {why}");
        let event = match self.keys.get(&supervisor) {
            Some(key) => SupervisionEvent::of(EventKind::ActorFailed, key, text),
            None => SupervisionEvent::new(EventKind::ActorFailed, text),
        };
        self.args.events.emit(event.by("supervisor"));
    }

    pub(super) async fn start(
        &mut self,
        myself: &ActorRef<RegistryMsg>,
        route: Route,
        first: First,
        principal: Option<Box<str>>,
    ) -> Result<(), Refusal> {
        let key = route.key().clone();
        let resumed = matches!(first, First::Resume);
        let Some(root) = self.args.root.clone() else { return Err(self.shutting_down(&key)) };
        let metrics = self.metrics_of(&key.backend_id);
        let tool_names = self.args.live.config().telemetry.tool_labels.then(|| metrics.tools());
        route.place().tool_names.store(tool_names);
        let configured = self.configured(&route);
        let args = SupervisorArgs {
            metrics,
            route: route.clone(),
            configured: configured.clone(),
            root,
            registry: myself.clone(),
            eras: self.args.eras.clone(),
            tokens: self.args.tokens.clone(),
            instance: self.args.instance.clone(),
            sweeper: self.args.sweeper.clone(),
            events: self.args.events.clone(),
            transport: if let First::Transport(transport) = first { Some(transport) } else { None },
        };
        // `pre_start` does nothing but build the state, so this neither waits nor fails for long.
        let spawned = Supervisor::spawn_linked(None, Supervisor, args, myself.get_cell()).await;
        let (supervisor, _) = spawned.map_err(|_| self.shutting_down(&key))?;
        if resumed {
            tell(&supervisor, SupervisorMsg::Resume);
        }
        // Not before: nothing may come to it first.
        route.place().supervisor.store(Some(Arc::new(supervisor.clone())));
        self.keys.insert(supervisor.get_id(), key.clone());
        self.entries.insert(key, Entry { supervisor, route, configured, principal });
        Ok(())
    }

    pub(super) async fn open(
        &mut self,
        myself: &ActorRef<RegistryMsg>,
        key: ConnectionKey,
    ) -> Result<Route, Refusal> {
        if let Some(entry) = self.entries.get(&key) {
            return Ok(entry.route.clone());
        }
        let settings = self.may_start(&key)?;
        let route = self.hosts.of(&key, &self.args.address, settings);
        self.start(myself, route.clone(), First::Launch, None).await?;
        Ok(route)
    }

    pub(super) async fn set(
        &mut self,
        myself: &ActorRef<RegistryMsg>,
        key: ConnectionKey,
        transport: OpenTransport,
    ) -> Result<Route, Refusal> {
        if let Some(entry) = self.entries.get(&key) {
            tell(&entry.supervisor, SupervisorMsg::Set { transport });
            return Ok(entry.route.clone());
        }
        if self.draining.is_some() {
            return Err(self.shutting_down(&key));
        }
        let unconfigured = || live::settings(entry::unconfigured(&key, &self.args.live.config()));
        let settings = self.args.live.settings(&key.backend_id).unwrap_or_else(unconfigured);
        let route = self.hosts.of(&key, &self.args.address, settings);
        self.start(myself, route.clone(), First::Transport(transport), None).await?;
        Ok(route)
    }

    /// What holds for a Supervisor that is started now.
    fn configured(&self, route: &Route) -> Configured {
        let config = self.args.live.config();
        let known = self.backends.get(&route.key().backend_id).map(|entry| entry.backend.clone());
        Configured {
            launchable: known.is_some(),
            backend: known.unwrap_or_else(|| route.place().settings.load_full()),
            expose_stderr: config.telemetry.expose_stderr,
            drain_timeout: config.gateway.drain_timeout,
        }
    }
}
