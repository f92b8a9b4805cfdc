//! The number of open files: ours as high as allowed, a child's the ordinary one.

use std::sync::OnceLock;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// The limit as it was before it was raised: what children get.
static ORDINARY: OnceLock<Rlimit> = OnceLock::new();

/// The soft limit of open files; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What mcpvisor was started with and children get.
    pub ordinary: Option<u64>,
    /// What mcpvisor has now.
    pub raised: Option<u64>,
}

/// Raises our own soft limit of open files to the hard one; a session costs four descriptors. A refusal is no error: the
/// result says what is.
pub fn raise_own_limits() -> Limits {
    let ordinary = ORDINARY.get_or_init(|| getrlimit(Resource::Nofile));
    let wanted = Rlimit { current: ordinary.maximum, maximum: ordinary.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    Limits { ordinary: ordinary.current, raised: getrlimit(Resource::Nofile).current }
}

/// Gives a child the ordinary limit back: some programs close or poll every descriptor up to it when they start.
///
/// Set from outside after the exec, since a `pre_exec` hook would cost the fast `posix_spawn` path.
pub(super) fn give_ordinary(child: Pid) {
    let Some(ordinary) = ORDINARY.get() else { return };
    // A child that has already exited is the only reason to fail.
    let _ = prlimit(Some(child), Resource::Nofile, *ordinary);
}
