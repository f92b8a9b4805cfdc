//! The resolved settings, one struct per section of `default.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{AccessRule, Backend, Http, ListenerTls, PrincipalLimits, Rate, Secrets, Tokens};

/// Everything the service runs on, complete and checked.
#[derive(Clone)]
pub struct Config {
    /// `[gateway]`
    pub gateway: Gateway,
    /// `[pool]`
    pub pool: Pool,
    /// `[session]`
    pub session: Session,
    /// `[backoff]`
    pub backoff: Backoff,
    /// `[timeouts]`
    pub timeouts: Timeouts,
    /// `[limits]`
    pub limits: Limits,
    /// `[principal_limits]`
    pub principal_limits: PrincipalLimits,
    /// `[http]`
    pub http: Http,
    /// `[auth]`
    pub auth: Auth,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// `[groups]`: name to backends.
    pub groups: BTreeMap<String, Vec<String>>,
    /// `[backends.NAME]`, sections merged with their overrides. Disabled backends are included.
    pub backends: BTreeMap<String, Backend>,
    /// What `${VAR}` brought in: never shown.
    pub secrets: Secrets,
}

/// `[gateway]`: where the service listens and how it ends.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Main listener, `host:port`.
    pub listen: String,
    /// `[gateway.tls]`: TLS of the main listener; `None`: none.
    pub tls: Option<ListenerTls>,
    /// `[gateway.admin_tls]`: the same of the admin listener.
    pub admin_tls: Option<ListenerTls>,
    /// Admin listener, `host:port`.
    pub admin_listen: String,
    /// Where clients reach the service, without a slash at its end; empty = where it listens.
    pub public_url: String,
    /// How long a drain may take, ladders included.
    pub drain_timeout: Duration,
    /// Whether `/mcp` serves all backends as one.
    pub unified: bool,
    /// Where the lock, `run.json` and the instance id live; `None` = derived (`supervision.md`).
    pub state_dir: Option<PathBuf>,
    /// Worker threads of the runtime; 0 = chosen from the cores.
    pub workers: usize,
    /// How long a worker looks for more after traffic before it sleeps; zero = not at all.
    pub busy_poll: Duration,
    /// Whether a change of the configuration files is put into effect by itself.
    pub reload_on_change: bool,
}

/// `[pool]`: idle clean-up and the error budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pool {
    /// Unused for this long: evicted at the next clean-up.
    pub idle_timeout: Duration,
    /// How often the clean-up runs.
    pub cleanup_interval: Duration,
    /// The key is stopped once its error count passes this.
    pub max_error_count: u32,
    /// Quiet for this long while ready: the error count reads zero. Zero = never.
    pub reset_after: Duration,
    /// How long a stopped key refuses requests, the first time.
    pub cooldown: Duration,
    /// The longest cooldown after successive stops.
    pub cooldown_max: Duration,
}

/// `[session]`
#[derive(Clone)]
pub struct Session {
    /// A session unused for this long ends.
    pub ttl: Duration,
    /// Header that names a modern session; empty = none.
    pub header: String,
    /// Key that seals `requestState`; empty = random per start. A secret.
    pub state_key: String,
    /// How long a parked call waits for its retry.
    pub parked_ttl: Duration,
}

/// `[backoff]` between restarts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first delay.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
    /// Share of the delay that is random, 0.0 to 1.0.
    pub jitter: f64,
}

/// `[timeouts]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeouts {
    /// From launch ticket to the answer to `initialize`.
    pub launch: Duration,
    /// One request, reset by its own progress.
    pub request: Duration,
    /// One request, progress or not.
    pub request_max: Duration,
    /// Between pings while requests are in flight.
    pub heartbeat: Duration,
    /// Pings without a frame before a backend with a timed-out request counts as unresponsive.
    pub missed_pings: u32,
    /// Between closing a child's standard input and SIGTERM.
    pub stdin_grace: Duration,
    /// Between SIGTERM and SIGKILL.
    pub term_grace: Duration,
    /// A write to a backend that makes no progress for this long is a fault.
    pub write: Duration,
    /// How long the era probe waits.
    pub probe: Duration,
    /// Between comments on an open event stream.
    pub sse_keepalive: Duration,
}

/// `[limits]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Sessions in all.
    pub max_sessions: usize,
    /// Connections in all.
    pub max_connections: usize,
    /// Requests in flight per session.
    pub max_in_flight: usize,
    /// Requests in flight per shared connection.
    pub max_in_flight_total: usize,
    /// Requests waiting per session.
    pub max_queued: usize,
    /// Launches at once per backend.
    pub max_concurrent_launches: usize,
    /// Consecutive failed incarnations that open the breaker.
    pub breaker_threshold: u32,
    /// Longest message of a backend.
    pub max_message_bytes: usize,
    /// Longest request body of a client.
    pub max_body_bytes: usize,
    /// Events kept per stream for resuming.
    pub replay_events: usize,
    /// Bytes kept per stream for resuming.
    pub replay_bytes: usize,
    /// Bytes of memory of the processes of servers, as seen; zero = as much as they take.
    pub max_memory: usize,
    /// How fast the requests of one principal to a backend may come.
    pub rate: Rate,
}

/// `[auth]`
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// Keys for the main listener; with none, and no tokens, there is no authentication.
    pub keys: Vec<AuthKey>,
    /// Keys for the admin listener.
    pub admin_keys: Vec<AuthKey>,
    /// Host names accepted besides the loopback ones and the listen address.
    pub allowed_hosts: Vec<String>,
    /// Origins accepted besides those of the accepted hosts.
    pub allowed_origins: Vec<String>,
    /// Whether to listen beyond loopback without keys.
    pub allow_unauthenticated: bool,
    /// `issuer` and what goes with it: access tokens for the main listener.
    pub tokens: Tokens,
    /// Who may use what; none = everybody may use everything.
    pub rules: Arc<[AccessRule]>,
}

impl Auth {
    /// Whether nobody has to show who it is.
    pub fn is_open(&self) -> bool {
        self.keys.is_empty() && !self.tokens.are_taken()
    }
}

/// One API key: the digest only; the key itself is never kept.
#[derive(Clone)]
pub struct AuthKey {
    /// Names the principal.
    pub id: String,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// `[telemetry]`
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Log line format.
    pub log_format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter directive.
    pub log_level: String,
    /// Where traces go; empty = nowhere.
    pub otlp_endpoint: String,
    /// Whether tool names are metric labels.
    pub tool_labels: bool,
    /// Whether clients see the end of a dead backend's standard error.
    pub expose_stderr: bool,
}

/// As `check` shows it: without secrets.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::to_toml_redacted(self))
    }
}

/// Without the sealing key.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("ttl", &self.ttl)
            .field("header", &self.header)
            .field("parked_ttl", &self.parked_ttl)
            .finish_non_exhaustive()
    }
}

/// Without the digest: a weak key can be guessed from it.
impl std::fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthKey").field("id", &self.id).finish_non_exhaustive()
    }
}
