//! The supervision tree of mcpvisor: launches, restarts, drains and evicts connections to MCP servers.
//!
//! ```text
//! Root                       the table of live incarnations; restarts the Registry; gives up at last
//!  ├─ Registry               get-or-launch by message; parent of all Supervisors; the links of spares
//!  │   └─ Supervisor(key)    one per (backend, session): phases, error budget, waiting room
//!  │       └─ Connection     one incarnation: the link, the requests in flight
//!  │            └─ Link      a child process, an upstream over HTTP, an open transport; with its own tasks
//!  └─ Janitor                the clean-up tick
//!
//! guard                      a process of its own, that ends all children if this one is killed
//! ```
//!
//! **One request**: [`Route`] → Connection (one message; the Supervisor and the Registry are only asked
//! when there is none) → link → backend → link's reader → Connection → the oneshot that the front waits on.
//!
//! **One crash**: the link reports → the Connection answers what the backend may have seen and gives back
//! the rest → the process task sweeps what is left → the Supervisor counts, backs off, launches, replays the
//! handshake from the [`SessionRecord`], tells the client what is lost, sends what waited, and publishes the
//! new Connection.
//!
//! **One backend of the other era**: between a client with a handshake and a server that speaks 2026-07-28 only, the Connection's
//! link is wrapped in a translator (`bridge`), so that everything above it is as always.
//!
//! **One reload**: [`Launcher::reload`] → Root (what holds is kept outside of the actors) → Registry → each Supervisor and
//! Connection is told what holds for it, and those that it does not suit are replaced once they are idle.
//!
//! There are no locks: state belongs to actors, and what many read (a published address, a status, usage
//! counts) is swapped or counted atomically. Policy is pure (`supervisor::machine`, `supervisor::budget`,
//! `root::table`, `registry::backend`, …) and takes the time as an argument.
//!
//! Actors are ractor's in the wrapping of [`actor`], which counts what is in their mailboxes. What is counted at all stands in
//! [`metrics`]; gauges that time alone can change are added up when somebody looks ([`Launcher::measure`]), and what processes
//! use is looked at every 10 s (`children`).
//!
//! ```
//! use mcpvisor_actors::{CancellationToken, Launcher};
//! # async fn example(config: mcpvisor_actors::Config) -> Result<(), Box<dyn std::error::Error>> {
//! let launcher = Launcher::new(config, CancellationToken::new()).await?;
//! let memory = launcher.get_or_launch_for_session("memory", "session-1").await?;
//! let tools = memory.request("tools/list", &serde_json::json!({})).await?;
//! println!("{}", String::from_utf8_lossy(&tools));
//! launcher.close().await;
//! # Ok(())
//! # }
//! ```

pub mod access;
pub mod actor;
mod bridge;
pub mod byte_channel;
mod children;
mod confine;
mod connection;
mod connection_handle;
mod credentials;
mod era;
mod error;
mod event;
mod fault;
mod filter;
mod glob;
mod guard;
mod instance;
mod janitor;
mod key;
mod launcher;
mod link;
mod live;
pub mod message;
mod metadata;
pub mod metrics;
mod mirrored;
mod pending;
mod pool;
mod probe;
mod process;
mod registry;
mod root;
mod route;
mod session_record;
mod supervisor;
mod timer;
mod usage;

#[cfg(test)]
mod ear;
#[cfg(test)]
mod model;
#[cfg(test)]
mod panics;

pub use children::{BackendUsage, ChildrenUsage, resident_bytes};
pub use confine::{Unconfinable, run_confined, unconfinable};
pub use connection_handle::ConnectionHandle;
pub use credentials::{Challenge, Credentials, Newest};
pub use era::{Era, MODERN_VERSION, greeting};
pub use error::{EndCause, Overload, Refusal, Unavailable};
pub use event::{EventKind, EventSender, EventStream, Heard, SupervisionEvent};
pub use fault::{Fault, FaultReason};
pub use guard::run_guard;
pub use instance::{random_instance, sweep_instances};
pub use key::{ConnectionKey, SHARED};
pub use launcher::{Launcher, LauncherOptions, ReloadRefused, StartError};
pub use link::duplex::OpenTransport;
pub use link::framing::{Line, Splitter};
pub use link::http::{
    Authorization, Dialect, HttpLink, HttpSpec, HttpSpecError, PostFailure, TokenError, TokenSource, Upstream,
};
pub use link::stderr::{StderrHistory, StderrRecord, Written};
pub use link::{Inbound, classify};
pub use metadata::{ConnectionMetadata, ConnectionState, Phase};
pub use mirrored::{Dropped, KnownTools, Mirrored, MirroredTools};
pub use pending::{Answer, Exchange, ReplyStream};
pub use pool::{
    DEFAULT_CLEANUP_INTERVAL, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_ERROR_COUNT, PoolConfig,
    SessionConnectionPool,
};
pub use process::Headroom;
pub use process::sweep_containers;
pub use registry::{BackendState, Reloaded};
pub use route::{Attached, Route, SessionEvent, SessionSink};
pub use session_record::{SessionRecord, Stage};

pub use mcpvisor_config::Config;
pub use tokio_util::sync::CancellationToken;

/// What only the fuzz targets see (`fuzz/`).
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::link::sse::{Event, Parser, TooLong};
}

/// Prepares this process for having children: raises the limit of open files (children get the ordinary
/// one) and marks inherited descriptors so that no child inherits them. Call it once, before anything else.
pub fn prepare_process() {
    process::raise_own_limits();
    if let Err(error) = process::close_inherited_fds() {
        tracing::warn!(%error, "inherited descriptors could not be marked; children may inherit them");
    }
}
