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
    had_terminal: bool,
}

impl HangUps {
    /// # Errors
    /// The system refuses the registration.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::hangup())?, had_terminal: has_terminal() })
    }

    /// The next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> HangUp {
        if self.signal.recv().await.is_none() {
            // The runtime ends, and with it everybody who waits.
            std::future::pending::<()>().await;
        }
        if self.had_terminal && !has_terminal() { HangUp::TerminalClosed } else { HangUp::Reload }
    }
}

/// Whether there is a controlling terminal: the kernel takes it away before it sends the signal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}
