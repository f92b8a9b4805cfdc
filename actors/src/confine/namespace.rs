//! A network with nothing in it.

use std::fs;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use rustix::process::{getegid, geteuid};

use super::report::Refusal;

const KEY: &str = "sandbox.network";

/// Leaves the network. Without the right to do so directly, by a user namespace in which this user is itself.
///
/// # Errors
/// The system allows neither.
pub(super) fn leave_network(becomes_somebody_else: bool) -> Result<(), Refusal> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => return Ok(()),
        Err(Errno::EPERM) if becomes_somebody_else => {
            let reason =
                "\"none\" together with user or group needs CAP_SYS_ADMIN, which even this root has not";
            return Err(Refusal::of(KEY, reason));
        }
        Err(Errno::EPERM) => {}
        Err(error) => return Err(refused(error)),
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(refused)?;
    // A user who maps its own group must first give up setting groups.
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ];
    for (file, map) in maps {
        fs::write(format!("/proc/self/{file}"), map).map_err(refused)?;
    }
    Ok(())
}

fn refused(error: impl Into<std::io::Error>) -> Refusal {
    let error = error.into();
    let reason = format!(
        "this system allows no network namespace here ({error}); \"no_tcp\" needs none, a container has one of its own"
    );
    Refusal::of(KEY, reason)
}
