//! Child processes: started in their own group, watched to the end, never left behind.
//!
//! ```text
//! spawn(Spec) ─> Spawned { stdin, stdout, stderr, process }
//!                                               │ watch(orders, sweeper, exited)
//!   pidfd readable ─> status ─> exited(status) ─> SIGKILL to the group ─> marker sweep ─> forget ─> reap ─> Gone
//! ```
//!
//! The guard ([`crate::guard`]) is told of each group while it may have members: it ends them if we cannot.
//!
//! A container is more than the process that speaks for it ([`container`]).
//!
//! Nothing here knows of actors: the caller says what to start, orders its end, and is told when it is gone.
//! [`Process`] kills its group when it is dropped before that, so that no forgotten task leaves a process.
//!
//! Stated limits: a process that leaves the group *and* clears its environment (or changes its uid, unless we are root) is not found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::net::unix::pipe;

use crate::confine::Confinement;
use container::Named;

pub(crate) mod container;
mod descriptors;
mod environment;
mod exit;
mod group;
mod ladder;
mod limits;
mod lookup;
pub mod pipes;
mod spawn;
mod stat;
mod sweep;
#[cfg(test)]
mod tests;
mod waitable;
mod watch;

pub use container::sweep_containers;
pub(crate) use descriptors::close_all_but_standard;
pub use descriptors::close_inherited_fds;
pub use exit::ExitStatus;
pub(crate) use group::Group;
pub use ladder::Order;
pub use limits::{Headroom, raise_own_limits};
pub use spawn::{SpawnError, spawn};
pub(crate) use stat::Stat;
pub use sweep::Sweeper;
pub(crate) use sweep::{carries, end_instances};
pub use watch::Process;

/// The environment variable by which every descendant of an incarnation is found.
pub const MARKER_VARIABLE: &str = "MCPVISOR_CHILD";

/// What to start. There is never a shell between mcpvisor and the command.
#[derive(Clone, Debug)]
pub struct Spec {
    /// A path, or a name looked up in the `PATH` that the child will have.
    pub command: String,
    /// The arguments, without the command itself.
    pub args: Vec<String>,
    /// The backend's own variables; they win over `env_pass`.
    pub env: BTreeMap<String, String>,
    /// Names (globs: `*` any run, `?` one character) taken over from mcpvisor's own environment; nothing else is.
    pub env_pass: Vec<String>,
    /// Where the child starts; mcpvisor's own directory if `None`.
    pub cwd: Option<PathBuf>,
    /// What it may do to the machine; `None`: what its user may.
    pub confinement: Option<Confinement>,
    /// The container that the command runs; `None`: the command is the server.
    pub container: Option<Named>,
    /// The value of [`MARKER_VARIABLE`], see [`marker`].
    pub marker: String,
}

/// A running child. Dropping `process` kills it.
#[derive(Debug)]
pub struct Spawned {
    /// The process id, which is also the id of its group.
    pub pid: u32,
    /// Non-blocking on our side only.
    pub stdin: pipe::Sender,
    /// Non-blocking on our side only.
    pub stdout: pipe::Receiver,
    /// Must be drained always: a child whose stderr is full stands still.
    pub stderr: pipe::Receiver,
    /// The right to end the child and the duty to reap it.
    pub process: Process,
}

/// The marker of one incarnation: `<instance>:<incarnation>`.
pub fn marker(instance: &str, incarnation: u64) -> String {
    format!("{instance}:{incarnation}")
}

/// What the markers of all incarnations of an instance begin with. The sweep takes it for all of them.
pub(crate) fn marker_of_all(instance: &str) -> String {
    format!("{instance}:")
}
