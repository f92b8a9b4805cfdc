//! The lock on a state folder: held for as long as its file is open, so no crash leaves it behind.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The lock, while it lives.
pub(super) struct Lock {
    _file: File,
}

/// What came of taking it.
pub(super) enum Locked {
    Ours(Lock),
    ByAnother,
}

impl Lock {
    /// Takes the lock at `path` without waiting.
    pub(super) fn take(path: &Path) -> io::Result<Locked> {
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, path)? => return Ok(Locked::Ours(Self { _file: file })),
                // Its last holder removed it while we took it: what we hold is no longer what others open.
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(Locked::ByAnother),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    Ok(std::fs::metadata(path).is_ok_and(|found| found.ino() == held.ino() && found.dev() == held.dev()))
}
