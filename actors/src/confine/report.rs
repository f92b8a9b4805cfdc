//! What the process that confines itself has to say: nothing, if all is well.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use serde::{Deserialize, Serialize};

use super::REPORT_DESCRIPTOR;

/// To confine itself takes a few milliseconds; what takes longer waits for a file system that is not there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why it has not become the program it was to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// A part of the sandbox cannot be had.
    Sandbox {
        /// The key that asks for it, such as `sandbox.read_only[0]`.
        key: String,
        /// Why not, and what would be right.
        reason: String,
    },
    /// All of it could, but the program cannot be run: the number of the system's error.
    Exec(i32),
}

impl Refusal {
    pub(super) fn of(key: impl Into<String>, reason: impl Display) -> Self {
        Self::Sandbox { key: key.into(), reason: reason.to_string() }
    }
}

/// The end at which it is heard.
#[derive(Debug)]
pub(crate) struct Report(OwnedFd);

impl Report {
    /// With the end at which it is told. No other child inherits either.
    pub(super) fn pipe() -> io::Result<(Self, OwnedFd)> {
        let (heard, told) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok((Self(heard), told))
    }

    /// Waits until the process has become its program, or has said why not. Blocks. Every end at which it is told but that of the
    /// process must be closed.
    pub(crate) fn read(self) -> Option<Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let mut pipe = File::from(self.0);
        let mut said = Vec::new();
        let mut part = [0; 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(1),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&left)) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) | Err(_) => return Some(Refusal::of("sandbox", "it did not answer in time")),
                Ok(_) => {}
            }
            match pipe.read(&mut part) {
                Ok(0) => break,
                Ok(length) => said.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(Refusal::of("sandbox", error)),
            }
        }
        if said.is_empty() {
            return None;
        }
        let refusal = serde_json::from_slice(&said);
        Some(refusal.unwrap_or_else(|_| Refusal::of("sandbox", String::from_utf8_lossy(&said))))
    }
}

/// The end at which it is told, in the process itself. It closes with the exec.
pub(super) struct Teller(Option<File>);

impl Teller {
    /// Must be called before files are forbidden.
    pub(super) fn open() -> Self {
        // The inherited one is marked close-on-exec by now; this one is from the start.
        let path = format!("/proc/self/fd/{REPORT_DESCRIPTOR}");
        Self(File::options().write(true).open(path).ok())
    }

    /// To standard error where nobody listens: somebody tries it by hand.
    pub(super) fn tell(self, refusal: &Refusal) {
        let text = serde_json::to_string(refusal).unwrap_or_default();
        // Nobody is left to be told of an error of this.
        let _ = match self.0 {
            Some(mut pipe) => pipe.write_all(text.as_bytes()),
            None => writeln!(io::stderr(), "{text}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &[u8]) -> Option<Refusal> {
        let (report, told) = Report::pipe().unwrap();
        File::from(told).write_all(said).unwrap();
        report.read()
    }

    /// If this failed, a server would run unconfined without a word, or one that is confined would count as refused.
    #[test]
    fn silence_is_success_and_anything_else_is_none() {
        assert_eq!(heard(b""), None);
        let refusal = Refusal::of("sandbox.nice", "no");
        assert_eq!(heard(&serde_json::to_vec(&refusal).unwrap()), Some(refusal));
        assert_eq!(heard(b"{\"Exec\":13}"), Some(Refusal::Exec(13)));
        assert_eq!(heard(b"what?"), Some(Refusal::of("sandbox", "what?")));
    }
}
