//! The three uses of file descriptors that have no safe wrapper, and the only unsafe code of this crate.
//!
//! [`close_inherited_fds`]: everything that Rust opens is close-on-exec already. What a shell, a CI runner or an init system left open in us is
//! not: a child that inherits such a pipe or socket keeps its other end waiting for as long as the child lives.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime, to wait until it is readable. Must be called in the context of a runtime.
pub(super) fn watch_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and answers with the same number for as long as it lives, and the `AsyncFd` owns it.
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// Marks every descriptor above stderr close-on-exec and returns how many were not. Call it once, first thing.
///
/// # Errors
/// `/proc/self/fd` cannot be read.
pub fn close_inherited_fds() -> io::Result<usize> {
    let mut marked = 0;
    for raw in above_standard()? {
        // SAFETY: the descriptor is used for F_GETFD and F_SETFD only, within this iteration. If it was closed since
        // it was listed (the listing's own was) the kernel answers EBADF; if it was reused, then by Rust code, which
        // opens everything close-on-exec anyway.
        let fd = unsafe { BorrowedFd::borrow_raw(raw) };
        let Ok(flags) = fcntl_getfd(fd) else { continue };
        if !flags.contains(FdFlags::CLOEXEC) && fcntl_setfd(fd, flags | FdFlags::CLOEXEC).is_ok() {
            marked += 1;
        }
    }
    Ok(marked)
}

/// Closes every descriptor above stderr, if this process has one thread only: with more, another might use them. Call it in a
/// process that does nothing else from then on and never comes back to what may own one.
pub(crate) fn close_all_but_standard() -> io::Result<()> {
    if std::fs::read_dir("/proc/self/task")?.count() > 1 {
        return Ok(());
    }
    for raw in above_standard()? {
        // SAFETY: the only thread is here, and by the contract above never uses a descriptor that it owned before. Of what was
        // listed only the listing's own is closed by now, which is seen here; none can be opened meanwhile.
        unsafe {
            if fcntl_getfd(BorrowedFd::borrow_raw(raw)).is_ok() {
                rustix::io::close(raw);
            }
        }
    }
    Ok(())
}

fn above_standard() -> io::Result<Vec<RawFd>> {
    let listed = std::fs::read_dir("/proc/self/fd")?;
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(numbers.filter(|&fd| fd > 2).collect())
}
