//! What the service tells systemd, where that asks to be told: sd_notify(3), in the few lines that it takes.
//!
//! A service that cannot say that it serves still serves: whatever goes wrong here is a warning.

mod asked;
mod watchdog;

use std::ffi::OsString;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use mcpvisor_actors::Launcher;
use tokio::time::timeout;

/// How long systemd may take to make room for a message. It always has room but when it is in great trouble itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way to systemd. Does nothing where nobody asked.
#[derive(Clone)]
pub(super) struct Notify {
    address: Option<SocketAddr>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment of this process asks.
    pub(super) fn from_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name);
        Self::asked_by(variable, std::process::id()).unwrap_or_else(|problem| {
            tracing::warn!(event = "service.notify_failed", "{problem}");
            Self { address: None, watchdog: None }
        })
    }

    fn asked_by(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> Result<Self, asked::Problem> {
        let Some(address) = asked::socket(&variable)? else {
            return Ok(Self { address: None, watchdog: None });
        };
        let watchdog = asked::watchdog(&variable, pid).unwrap_or_else(|problem| {
            tracing::warn!(event = "service.notify_failed", "{problem}");
            None
        });
        Ok(Self { address: Some(address), watchdog })
    }

    /// The service is bound and its supervision answers. `status` is what `systemctl status` shows, in one line.
    pub(super) async fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}")).await;
    }

    /// The configuration is read again; [`Notify::reloaded`] follows.
    pub(super) async fn reloading(&self) {
        // `Type=notify-reload` wants to know when, on the clock that it uses itself.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}")).await;
    }

    /// That is over, well or not.
    pub(super) async fn reloaded(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}")).await;
    }

    /// A drain begins, over within `at_most`. It is asked for in advance: an ordinary drain is shorter than
    /// `TimeoutStopSec`, and one that somebody has configured longer must not be cut off by it.
    pub(super) async fn stopping(&self, at_most: Duration, status: &str) {
        let time = at_most.as_micros();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={time}\nSTATUS={status}")).await;
    }

    /// Tells systemd from now on that the service is alive, as long as it is.
    pub(super) fn watch(&self, launcher: Launcher) {
        if let (Some(address), Some(interval)) = (&self.address, self.watchdog) {
            let alive = move |limit| {
                let launcher = launcher.clone();
                async move { launcher.alive(limit).await }
            };
            tokio::spawn(watchdog::run(address.clone(), interval, alive));
        }
    }

    async fn tell(&self, state: &str) {
        let Some(address) = &self.address else { return };
        match send(address, state).await {
            Ok(()) => tracing::debug!(event = "service.notified", state, "systemd was told"),
            Err(error) => {
                tracing::warn!(event = "service.notify_failed", %error, state, "systemd cannot be told (NOTIFY_SOCKET)");
            }
        }
    }
}

/// One message. A socket for each, as libsystemd does: nothing to keep, nothing that could go stale.
async fn send(address: &SocketAddr, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(address)?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UnixDatagram::from_std(socket)?;
    timeout(PATIENCE, socket.send(state.as_bytes())).await??;
    Ok(())
}
