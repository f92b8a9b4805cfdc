//! One configured MCP server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{AccessRule, Backoff, Container, Limits, Oauth, Pool, Sandbox, Secrets, Timeouts};

/// `[backends.NAME]`, with every override of a section merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// Its name in URLs, metrics and logs.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// The container that the transport's command, an engine, runs; `None`: the command is the server.
    pub container: Option<Container>,
    /// Who shares one connection.
    pub isolation: Isolation,
    /// The era it is spoken to in.
    pub protocol: Protocol,
    /// Whether safe requests are sent a second time after a fault.
    pub retry: Retry,
    /// Whether silence can be a fault.
    pub liveness: Liveness,
    /// What a restart does to its session.
    pub on_restart: OnRestart,
    /// Whether idle connections are evicted.
    pub idle: Idle,
    /// Whether an open stream keeps the connection from being evicted.
    pub keep_while_streaming: bool,
    /// Processes kept in reserve; none for a URL.
    pub warm: usize,
    /// One older than this is replaced; zero = never.
    pub warm_max_age: Duration,
    /// What mcpvisor says of itself on connections that are not a client's own.
    pub client_profile: ClientProfile,
    /// Tools shown and callable.
    pub tools: ToolFilter,
    /// Prompts shown and to be got.
    pub prompts: NameFilter,
    /// Resources shown and readable, by URI; templates by theirs.
    pub resources: NameFilter,
    /// What a token must carry to use it, besides `auth.scopes`.
    pub scopes: Arc<[String]>,
    /// `auth.rules`, those of other backends too.
    pub rules: Arc<[AccessRule]>,
    /// What its command may do to the machine; open for a URL.
    pub sandbox: Sandbox,
    /// Configured, not served.
    pub disabled: bool,
    /// `[pool]` with this backend's overrides.
    pub pool: Pool,
    /// `[backoff]` with this backend's overrides.
    pub backoff: Backoff,
    /// `[timeouts]` with this backend's overrides.
    pub timeouts: Timeouts,
    /// `[limits]` with this backend's overrides.
    pub limits: Limits,
}

/// How a backend is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum Transport {
    /// A child process that speaks MCP on its standard input and output.
    Stdio {
        /// Program: a path, or a name looked up in `PATH`.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Variables added to what `env_pass` lets through. Values may be secrets.
        env: BTreeMap<String, String>,
        /// Working directory; `None` = where mcpvisor was started.
        cwd: Option<PathBuf>,
        /// Globs of inherited variables.
        env_pass: Vec<String>,
    },
    /// A server reached over HTTP.
    Http {
        /// Its endpoint.
        url: String,
        /// Sent with every request. Values may be secrets.
        headers: BTreeMap<String, String>,
        /// Streamable HTTP, or the older HTTP+SSE.
        kind: UpstreamKind,
        /// Whether the client's `Authorization` goes along.
        forward_authorization: bool,
        /// Whether a token of our own does.
        oauth: Option<Oauth>,
    },
}

/// The two HTTP transports of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamKind {
    /// Streamable HTTP (2025-03-26 and later).
    Http,
    /// HTTP+SSE (2024-11-05).
    Sse,
}

/// Who shares one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// One per session.
    Session,
    /// One per principal.
    Principal,
    /// One for all.
    Shared,
    /// One per request, for modern clients.
    Request,
}

/// The era of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Found out.
    Auto,
    /// Up to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// Whether safe requests are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Those that cannot do harm, once.
    Safe,
    /// None.
    Never,
}

/// Whether silence can be a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Yes.
    On,
    /// No.
    Off,
}

/// What a restart or an eviction does to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRestart {
    /// The handshake is replayed and the session goes on.
    Replay,
    /// The session ends, with 404 to its next request.
    EndSession,
}

/// Whether idle connections are evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Yes.
    Evict,
    /// No.
    Keep,
}

/// `client_profile`: sent as `initialize` params on shared and library connections.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientProfile {
    /// `clientInfo.name`
    pub name: String,
    /// `clientInfo.version`
    pub version: String,
    /// `capabilities`
    pub capabilities: serde_json::Value,
}

/// `{ allow, deny }`: globs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameFilter {
    /// What is let through; `*` = all.
    pub allow: Vec<String>,
    /// What is taken out of that.
    pub deny: Vec<String>,
}

impl NameFilter {
    /// One that lets everything through.
    pub fn everything() -> Self {
        Self { allow: vec!["*".to_owned()], deny: Vec::new() }
    }

    /// Whether it lets everything through.
    pub fn is_open(&self) -> bool {
        self.deny.is_empty() && self.allow.iter().any(|glob| glob == "*")
    }
}

/// `tools = { allow, deny, rename, describe }`, all by the names that the server gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolFilter {
    /// Which of them there are.
    pub names: NameFilter,
    /// What clients know them by.
    pub rename: BTreeMap<String, String>,
    /// What clients are told of them.
    pub describe: BTreeMap<String, String>,
}

impl ToolFilter {
    /// One that lets everything through as it is.
    pub fn everything() -> Self {
        Self { names: NameFilter::everything(), rename: BTreeMap::new(), describe: BTreeMap::new() }
    }

    /// Whether it lets everything through as it is.
    pub fn is_open(&self) -> bool {
        self.names.is_open() && self.rename.is_empty() && self.describe.is_empty()
    }
}

/// Values of `env` and `headers` may be secrets: only their names are shown. What looks like a credential in
/// arguments and URLs is left out too.
impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdio { command, args, env, cwd, env_pass } => f
                .debug_struct("Stdio")
                .field("command", command)
                .field("args", &Secrets::default().redact_args(args))
                .field("env", &env.keys().collect::<Vec<_>>())
                .field("cwd", cwd)
                .field("env_pass", env_pass)
                .finish(),
            Self::Http { url, headers, kind, forward_authorization, oauth } => f
                .debug_struct("Http")
                .field("url", &Secrets::default().redact_url(url))
                .field("headers", &headers.keys().collect::<Vec<_>>())
                .field("kind", kind)
                .field("forward_authorization", forward_authorization)
                .field("oauth", oauth)
                .finish(),
        }
    }
}
