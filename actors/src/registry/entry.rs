//! What the Registry knows of one key.

use mcpvisor_config::{
    Backend, ClientProfile, Config, Idle, Isolation, Liveness, NameFilter, OnRestart, Protocol, Retry,
    Sandbox, ToolFilter, Transport,
};
use tokio::time::Instant;

use crate::actor::ActorRef;
use crate::connection_handle::ConnectionHandle;
use crate::janitor::Seen;
use crate::key::ConnectionKey;
use crate::metadata::{ConnectionMetadata, Phase, outside_state};
use crate::route::Route;
use crate::supervisor::{Configured, SupervisorMsg};

pub(super) struct Entry {
    pub(super) supervisor: ActorRef<SupervisorMsg>,
    pub(super) route: Route,
    /// What its Supervisor was told last.
    pub(super) configured: Configured,
    /// Whose own it is; `None`: nobody's, or everybody's.
    pub(super) principal: Option<Box<str>>,
}

impl Entry {
    /// What the janitor wants to know.
    pub(super) fn seen(&self) -> Seen {
        Seen::of(&self.route, self.phase(), Instant::now())
    }

    pub(super) fn phase(&self) -> Phase {
        self.route.place().status.load().as_ref().map_or(Phase::Launching, |status| status.phase)
    }

    /// A copy of all that is known, read from what the actors publish: nobody is asked.
    pub(super) fn metadata(&self, key: &ConnectionKey) -> ConnectionMetadata {
        let now = Instant::now();
        let pool = &self.configured.backend.pool;
        let place = self.route.place();
        let status = place.status.load();
        let status = status.as_ref();
        let (in_flight, queued) = (place.usage.in_flight(), place.usage.queued());
        let phase = status.map_or(Phase::Launching, |status| status.phase);
        let idle_for = now.saturating_duration_since(place.usage.last_used());
        let age = now.saturating_duration_since(place.usage.created());
        #[expect(clippy::disallowed_methods, reason = "shown to people; nothing is decided by it")]
        let wall = std::time::SystemTime::now();
        ConnectionMetadata {
            key: key.clone(),
            connection: ConnectionHandle::new(self.route.clone()),
            created_at: wall - age,
            age,
            last_used_at: wall - idle_for,
            idle_for,
            request_count: place.usage.requests(),
            error_count: status.map_or(0, |status| status.budget.errors(now, pool)),
            max_error_count: pool.max_error_count,
            total_errors: status.map_or(0, |status| status.budget.total()),
            restarts: status.map_or(0, |status| status.restarts),
            last_error: status.and_then(|status| status.last_error.clone()),
            state: outside_state(phase, idle_for, in_flight + queued > 0, pool.cleanup_interval),
            phase,
            pid: status.and_then(|status| status.pid),
            incarnation: status.map_or(0, |status| status.incarnation),
            in_flight,
            queued,
        }
    }
}

/// What holds for a transport that was put under supervision and belongs to no configured backend: it is
/// never launched, so there is no command.
pub(super) fn unconfigured(key: &ConnectionKey, config: &Config) -> Backend {
    let (command, args, env, cwd, env_pass) = Default::default();
    Backend {
        name: key.backend_id.to_string(),
        transport: Transport::Stdio { command, args, env, cwd, env_pass },
        container: None,
        isolation: Isolation::Session,
        protocol: Protocol::Legacy,
        retry: Retry::Safe,
        liveness: Liveness::On,
        on_restart: OnRestart::Replay,
        idle: Idle::Evict,
        keep_while_streaming: false,
        warm: 0,
        warm_max_age: config.pool.idle_timeout,
        client_profile: ClientProfile {
            name: "mcpvisor".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: serde_json::json!({}),
        },
        tools: ToolFilter::everything(),
        prompts: NameFilter::everything(),
        resources: NameFilter::everything(),
        scopes: Default::default(),
        rules: config.auth.rules.clone(),
        sandbox: Sandbox::default(),
        disabled: false,
        pool: config.pool,
        backoff: config.backoff,
        timeouts: config.timeouts,
        limits: config.limits,
    }
}
