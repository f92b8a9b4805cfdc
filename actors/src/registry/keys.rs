//! Get or launch: the one place where a key comes to be.

use std::sync::Arc;

use mcpvisor_config::{Backend, Config, nearest};

use super::entry::{self, Entry};
use super::{RegistryMsg, RegistryState, tell};
use crate::actor::{Actor, ActorRef};
use crate::error::{Overload, Refusal};
use crate::key::ConnectionKey;
use crate::link::duplex::OpenTransport;
use crate::route::{Route, RouteKind};
use crate::supervisor::{Supervisor, SupervisorArgs, SupervisorMsg};

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
        let host = self.host_of(route);
        if !self.entries.contains_key(&key) {
            let backend = self.may_start(&key)?;
            self.start(myself, host, backend, First::Launch).await?;
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
        let Some(entry) = self.backends.get(&key.backend_id) else { return route.clone() };
        if route.is_own() {
            self.hosts.adopt(route);
        }
        let host = self.hosts.of(key, &self.args.address, &entry.backend);
        if !host.is(route) {
            route.join(&host);
        }
        host
    }

    /// A Supervisor failed: a session that was served goes on with another one, which counts that. The Root waits
    /// for the end of the old processes.
    pub(super) async fn resume(&mut self, myself: &ActorRef<RegistryMsg>, failed: Entry) {
        let Entry { route, backend, .. } = failed;
        let served = !route.record().first_result.is_empty();
        if !served
            || route.ended().is_some()
            || self.draining.is_some()
            || self.is_stopped(&route.key().backend_id)
        {
            return;
        }
        // Refused only where the service ends.
        let _ = self.start(myself, route, backend, First::Resume).await;
    }

    /// May this key be launched, by name and by number?
    pub(super) fn may_start(&mut self, key: &ConnectionKey) -> Result<Arc<Backend>, Refusal> {
        if self.draining.is_some() {
            return Err(self.shutting_down(key));
        }
        if self.is_stopped(&key.backend_id) {
            return Err(Refusal::stopped_by_operator(key.backend_id.clone()));
        }
        if let Some(refusal) = self.held(&key.backend_id) {
            return Err(refusal);
        }
        let limits = &self.args.config.limits;
        if self.entries.len() >= limits.max_connections {
            let retry_after = self.args.config.pool.cleanup_interval;
            let (backend, what) = (key.backend_id.clone(), Overload::Connections);
            return Err(Refusal::Overloaded { backend, what, retry_after });
        }
        let known = self.backends.get(&key.backend_id).map(|entry| entry.backend.clone());
        known.ok_or_else(|| unknown_backend(&self.args.config, &key.backend_id))
    }

    pub(super) async fn start(
        &mut self,
        myself: &ActorRef<RegistryMsg>,
        route: Route,
        backend: Arc<Backend>,
        first: First,
    ) -> Result<(), Refusal> {
        let key = route.key().clone();
        let resumed = matches!(first, First::Resume);
        let Some(root) = self.args.root.clone() else { return Err(self.shutting_down(&key)) };
        let launchable = self.backends.contains_key(&key.backend_id);
        let metrics = self.metrics_of(&key.backend_id);
        let tool_names = self.args.config.telemetry.tool_labels.then(|| metrics.tools());
        route.place().tool_names.store(tool_names);
        let args = SupervisorArgs {
            metrics,
            route: route.clone(),
            backend: backend.clone(),
            root,
            registry: myself.clone(),
            instance: self.args.instance.clone(),
            sweeper: self.args.sweeper.clone(),
            expose_stderr: self.args.config.telemetry.expose_stderr,
            drain_timeout: self.args.config.gateway.drain_timeout,
            transport: if let First::Transport(transport) = first { Some(transport) } else { None },
            launchable,
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
        self.entries.insert(key, Entry { supervisor, route, backend });
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
        let backend = self.may_start(&key)?;
        let route = self.hosts.of(&key, &self.args.address, &backend);
        self.start(myself, route.clone(), backend, First::Launch).await?;
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
        let known = self.backends.get(&key.backend_id).map(|entry| entry.backend.clone());
        let backend = known.unwrap_or_else(|| Arc::new(entry::unconfigured(&key, &self.args.config)));
        let route = self.hosts.of(&key, &self.args.address, &backend);
        self.start(myself, route.clone(), backend, First::Transport(transport)).await?;
        Ok(route)
    }
}

/// "server 'x' not found in config", with the nearest name.
pub(crate) fn unknown_backend(config: &Config, name: &Arc<str>) -> Refusal {
    let served = config.backends.values().filter(|backend| !backend.disabled).map(|backend| &*backend.name);
    Refusal::UnknownBackend { name: name.clone(), nearest: nearest(name, served).map(str::to_owned) }
}
