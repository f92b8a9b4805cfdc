//! A process group and its leader, our child: signals, status, reaping.
//!
//! The group's id is the leader's pid, and that stays reserved until the leader is reaped. So signals are safe up to
//! then and never sent after: the owner drops the `Group` once it is reaped.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getpgid, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid, waitpid,
};
use tokio::io::unix::AsyncFd;

use super::descriptors::watch_readable;
use super::{ExitStatus, Stat};

/// The clock of `/proc/PID/stat`: 100 on every Linux architecture that Rust supports, whatever the kernel's own HZ.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(crate) struct Group {
    leader: Pid,
    started: u64,
    pidfd: AsyncFd<OwnedFd>,
}

impl Group {
    /// Takes over a child of ours that leads its group and was not reaped. On an error it is ended and reaped.
    pub(crate) fn adopt(leader: Pid) -> io::Result<Self> {
        let watched =
            pidfd_open(leader, PidfdFlags::empty()).map_err(io::Error::from).and_then(watch_readable);
        if watched.is_err() {
            let _ = kill_process_group(leader, Signal::KILL);
            let _ = waitpid(Some(leader), WaitOptions::empty());
        }
        // Before it is reaped the leader has a line there, even as a zombie.
        let started = Stat::of(leader).map_or(0, |stat| stat.started);
        Ok(Self { leader, started, pidfd: watched? })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.leader.as_raw_nonzero().get().unsigned_abs()
    }

    /// When the leader started, in clock ticks since boot.
    pub(super) fn started(&self) -> u64 {
        self.started
    }

    /// Waits for the leader's end. Leaves the zombie, and with it the group's id. Cancel-safe.
    pub(crate) async fn ended(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.wait(WaitIdOptions::NOWAIT) {
                return status;
            }
            match self.pidfd.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is shutting down: its other tasks are being dropped, and so will this one.
                Err(_) => std::future::pending::<()>().await,
            }
        }
    }

    pub(super) fn terminate(&self) {
        let _ = kill_process_group(self.leader, Signal::TERM);
        // A leader that has moved to another group would not have got it. Twice must not be: to many servers a second
        // SIGTERM means "stop cleaning up".
        if getpgid(Some(self.leader)).is_ok_and(|group| group != self.leader) {
            let _ = pidfd_send_signal(&self.pidfd, Signal::TERM);
        }
    }

    /// Ends everything in the group, also when its leader is a zombie already.
    pub(crate) fn kill(&self) {
        // "No such process" is what we want; "not permitted" means that it changed its uid, a stated limit.
        let _ = kill_process_group(self.leader, Signal::KILL);
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Removes the zombie; false if the leader still runs. The pid may be another process's from now on.
    pub(crate) fn reap(&self) -> bool {
        self.wait(WaitIdOptions::empty()).is_some()
    }

    /// Processor time, user and system, of the leader and of all it has waited for, in seconds.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.leader);
        std::fs::read_to_string(path).ok().and_then(|stat| ticks(&stat)).unwrap_or(0) as f64
            / TICKS_PER_SECOND
    }

    fn wait(&self, options: WaitIdOptions) -> Option<ExitStatus> {
        let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        match waitid(WaitId::PidFd(self.pidfd.get_ref().as_fd()), options) {
            Ok(status) => status.map(ExitStatus::from),
            Err(Errno::INTR) => None,
            // No child of ours any more: somebody has reaped it behind our back.
            Err(_) => Some(ExitStatus::Unknown),
        }
    }
}

/// utime + stime + cutime + cstime of a line of `/proc/PID/stat`.
fn ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything, parentheses and blanks too. The state, third field, follows it.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_ascii_whitespace().skip(11).take(4);
    times.map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this failed, `status` would show a wrong processor time for servers with odd names.
    #[test]
    fn reads_times_behind_any_name() {
        let stat = "77 (a) b (c) Z 1 77 77 0 -1 4 100 0 0 0 5 6 7 8 20 0 1 0 99";
        assert_eq!(ticks(stat), Some(26));
        assert_eq!(ticks("77 (x) Z 1"), Some(0));
        assert_eq!(ticks(""), None);
    }
}
