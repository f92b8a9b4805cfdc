//! The number of open files: ours as high as allowed, a child's the ordinary one, and the last few for what must not fail.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
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

/// How many descriptors are left besides one that was just opened. Who has the right to the last of them is decided by this:
/// to end a server takes some, and so does to say how the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Headroom {
    /// Only what ends servers and looks after the service may keep it.
    Last,
    /// Enough for those who are here already and come back, not for another server.
    Narrow,
    /// Nobody should sit on it.
    Scarce,
    /// Enough.
    Ample,
}

impl Headroom {
    /// As many descriptors as there are below each step, where the limit is not so low that they would be most of it.
    const STEPS: [(Self, u64, u64); 3] =
        [(Self::Last, 16, 16), (Self::Narrow, 64, 4), (Self::Scarce, 128, 2)];

    /// Told by the number of one that was just opened: the system gives the lowest that is free, so all below are taken.
    pub fn beside(descriptor: impl AsFd) -> Self {
        let number = u64::try_from(descriptor.as_fd().as_raw_fd()).unwrap_or(0);
        Self::of(number, getrlimit(Resource::Nofile).current)
    }

    fn of(number: u64, limit: Option<u64>) -> Self {
        let Some(limit) = limit else { return Self::Ample };
        let left = limit.saturating_sub(number);
        let within = |&&(_, most, share): &&(Self, u64, u64)| left <= most.min(limit / share);
        Self::STEPS.iter().find(within).map_or(Self::Ample, |step| step.0)
    }
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

/// Refuses what only another server would keep, as the system does when there is none left at all.
pub(super) fn room_for_a_server(opened: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    if opened.iter().any(|descriptor| Headroom::beside(descriptor) <= Headroom::Narrow) {
        return Err(rustix::io::Errno::MFILE.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this failed, servers and clients would take the descriptors that ending a server needs, or be refused too early.
    #[test]
    fn the_last_descriptors_are_not_for_everybody() {
        let of = |number: u64, limit: u64| Headroom::of(number, Some(limit));
        let rows = [(3, "Ample"), (19_871, "Ample"), (19_872, "Scarce"), (19_935, "Scarce")];
        let more = [(19_936, "Narrow"), (19_983, "Narrow"), (19_984, "Last"), (19_999, "Last")];
        for (number, expected) in rows.into_iter().chain(more) {
            assert_eq!(format!("{:?}", of(number, 20_000)), expected, "{number}");
        }
        assert_eq!(
            [of(63, 128), of(64, 128), of(96, 128), of(120, 128)],
            [Headroom::Ample, Headroom::Scarce, Headroom::Narrow, Headroom::Last]
        );
        assert_eq!(Headroom::of(1 << 40, None), Headroom::Ample);
        assert_eq!(Headroom::beside(std::io::stdin()), Headroom::Ample);
    }
}
