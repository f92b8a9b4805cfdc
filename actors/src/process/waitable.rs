//! Children must stay waitable: while SIGCHLD is ignored, the kernel reaps them itself, and then nobody learns how they
//! ended and their pid may be another's before the group was killed.

use std::io;
use std::sync::OnceLock;

use tokio::signal::unix::{SignalKind, signal};

/// Undoes an ignored SIGCHLD, which is inherited: some daemons and CI runners start everything that way. Must be called
/// in the context of a runtime; looks once.
pub(super) fn ensure() -> io::Result<()> {
    static ENSURED: OnceLock<()> = OnceLock::new();
    if ENSURED.get().is_some() {
        return Ok(());
    }
    if is_ignored(&std::fs::read_to_string("/proc/self/status")?, SignalKind::child().as_raw_value()) {
        // Any handler will do, and tokio's stays for good. Children start with the default again: exec resets handlers.
        let _ = signal(SignalKind::child())?;
        tracing::warn!("started with SIGCHLD ignored: now it is not");
    }
    ENSURED.get_or_init(|| ());
    Ok(())
}

fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this failed, every crash would be reported as "exit status unknown" under such a daemon.
    #[test]
    fn reads_the_mask() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000011000\n";
        assert!(is_ignored(status, 17));
        assert!(is_ignored(status, 13));
        assert!(!is_ignored(status, 15));
        assert!(!is_ignored("", 17));
    }
}
