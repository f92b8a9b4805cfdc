//! How a command fails, and which exit code says so.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use mcpvisor_config::ConfigErrors;

/// How long the last words may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a command returns.
pub type Outcome = Result<(), Failure>;

/// Why a command failed. Each kind has its own exit code, so that scripts and init systems can tell them apart.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 1: it went wrong while running.
    #[error("{0:#}")]
    Runtime(#[from] anyhow::Error),
    /// Exit code 1, with everything said already.
    #[error("")]
    Said,
    /// Exit code 64 (`EX_USAGE`): the configuration is wrong.
    #[error("{0}")]
    Configuration(#[from] ConfigErrors),
    /// Exit code 64 (`EX_USAGE`): the command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// Exit code 70 (`EX_SOFTWARE`): supervision gave up at the root.
    #[error("supervision gave up: the registry failed again and again; the log says why")]
    GaveUp,
    /// Exit code 98 (`EADDRINUSE`): another program listens there.
    #[error(
        "{address} is in use{holder}\n    stop what listens there, or choose another address with {flag} (port 0 picks a free one)"
    )]
    AddressInUse {
        /// The address wanted.
        address: SocketAddr,
        /// Who has it, if it is one of ours: begins with a colon or is empty.
        holder: String,
        /// The flag that changes it.
        flag: &'static str,
    },
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Runtime(_) | Self::Said => 1,
            Self::Configuration(_) | Self::Usage(_) => 64,
            Self::GaveUp => 70,
            Self::AddressInUse { .. } => 98,
        }
    }

    /// Says on standard error what went wrong, and returns the exit code.
    pub fn report(&self) -> ExitCode {
        if !matches!(self, Self::Said) {
            let text = format!("mcpvisor: {self}\n");
            let (done, said) = mpsc::channel();
            // By a thread: a pipe that nobody empties must not keep from ending what has ended.
            std::thread::spawn(move || {
                // `eprintln!` would panic where nothing can be written, and lose the exit code.
                let _ = std::io::stderr().write_all(text.as_bytes());
                let _ = done.send(());
            });
            let _ = said.recv_timeout(PATIENCE);
        }
        ExitCode::from(self.code())
    }
}
