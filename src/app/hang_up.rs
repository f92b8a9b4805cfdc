//! SIGHUP: the order to reload, or the news that the terminal is gone.

use std::fs::File;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HangUp {
    /// Somebody wants the configuration read again.
    Reload,
    /// The terminal that the service was started in was closed, which ends it like Ctrl-C: dying at once would leave the
    /// servers behind, and living on would be unseen.
    TerminalClosed,
}

/// Registered before anything listens, so that none is ever deadly.
pub(super) struct HangUps {
    signal: Signal,
    /// It belongs to a terminal, and was not told to outlive it.
    of_terminal: bool,
}

impl HangUps {
    /// # Errors
    /// The system refuses the registration.
    pub(super) fn listen() -> std::io::Result<Self> {
        // Asked before we take the signal for ourselves.
        let of_terminal = has_terminal() && !is_ignored();
        Ok(Self { signal: signal(SignalKind::hangup())?, of_terminal })
    }

    /// The next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> HangUp {
        if self.signal.recv().await.is_none() {
            // The runtime ends, and with it everybody who waits.
            std::future::pending::<()>().await;
        }
        if self.of_terminal && !has_terminal() { HangUp::TerminalClosed } else { HangUp::Reload }
    }
}

/// Whether SIGHUP was ignored when we were started, as `nohup` has it.
fn is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The first bit is signal 1, which is SIGHUP.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Whether there is a controlling terminal: the kernel takes it away before it sends the signal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}
