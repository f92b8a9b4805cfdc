//! A guard that runs, seen from the process it works for.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Pid;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::record::Record;
use crate::process::{ExitStatus, Group};

/// Records that wait for a guard which does not read. No honest one has ever let a page of them wait.
const MAX_WAITING: usize = 1 << 20;

/// How long a guard may take to leave after a goodbye …
const LEAVE: Duration = Duration::from_secs(1);
/// … and without one, when it first cleans up.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// Dropping it closes the pipe: a guard that was not told goodbye then cleans up.
pub(super) struct Running {
    process: Group,
    /// `None` once closed.
    pipe: Option<pipe::Sender>,
    waiting: Vec<u8>,
}

impl Running {
    /// Starts it. Blocks for about a millisecond; must be called in the context of a runtime.
    pub(super) fn start(arguments: &[OsString]) -> io::Result<Self> {
        let mut command = Command::new(this_program()?);
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        // None of our secrets, and above all no marker: it must survive the sweep of whoever may have started *us*. The
        // loader's variables are what this program could not start without.
        let loader = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"LD_"));
        let child = command
            .args(arguments)
            .env_clear()
            .envs(loader)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let process = Group::adopt(Pid::from_child(&child))?;
        let pipe = child.stdin.ok_or_else(|| io::Error::other("the guard has no pipe"))?;
        let pipe = pipe::Sender::from_owned_fd(OwnedFd::from(pipe))?;
        Ok(Self { process, pipe: Some(pipe), waiting: Vec::new() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a record, as soon as [`Self::run`] can.
    pub(super) fn tell(&mut self, record: &Record) {
        self.waiting.extend_from_slice(record.to_string().as_bytes());
    }

    /// Sends what waits, and returns when the guard has ended. One that does not read is killed. Cancel-safe.
    pub(super) async fn run(&mut self) -> ExitStatus {
        while let Some(pipe) = self.pipe.as_ref().filter(|_| !self.waiting.is_empty()) {
            if self.waiting.len() > MAX_WAITING {
                self.process.kill();
                break;
            }
            tokio::select! {
                biased;
                status = self.process.ended() => return status,
                ready = pipe.writable() => if ready.is_err() { break },
            }
            match pipe.try_write(&self.waiting) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It is about to end.
                Err(_) => break,
            }
        }
        self.process.ended().await
    }

    /// Removes what is left of one that has ended.
    pub(super) fn reap(&self) {
        self.process.reap();
    }

    /// Sees it out, with a goodbye or else a last order to clean up. Returns when it has left.
    pub(super) async fn leave(mut self, goodbye: bool) {
        let patience = if goodbye {
            self.tell(&Record::Bye);
            LEAVE
        } else {
            self.pipe = None;
            CLEAN_UP
        };
        if timeout(patience, self.run()).await.is_err() {
            tracing::warn!(pid = self.pid(), "the guard does not leave; it is killed");
            self.process.kill();
            self.run().await;
        }
        self.reap();
    }
}

/// The program that runs here, even if another has been put in its place since: both ends must speak the same.
fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}
