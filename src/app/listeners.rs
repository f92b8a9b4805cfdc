//! The two listeners.

use std::io;
use std::net::SocketAddr;

use anyhow::anyhow;
use mcpvisor_config::Gateway;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::Failure;
use super::state_dir::{self, Place};

/// Connections that may wait to be accepted (the system allows fewer where `net.core.somaxconn` is less). Whoever finds no room
/// there tries again after a second, so a burst of clients, as after a restart, must fit in.
const AHEAD: u32 = 4096;

/// Both listeners, bound.
pub(super) struct Listeners {
    /// MCP.
    pub(super) main: TcpListener,
    /// Metrics and the admin API.
    pub(super) admin: TcpListener,
    /// Where they are in truth: port 0 has become a port.
    pub(super) addresses: Addresses,
}

/// The bound addresses.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Of the MCP endpoints.
    pub main: SocketAddr,
    /// Of the admin listener.
    pub admin: SocketAddr,
    /// Whether there is TLS, in the same order.
    pub tls: [bool; 2],
}

impl Addresses {
    /// The beginning of a URL of the MCP endpoints.
    pub(crate) fn main_url(&self) -> String {
        url(self.tls[0], self.main)
    }

    /// The same for the admin listener.
    pub(crate) fn admin_url(&self) -> String {
        url(self.tls[1], self.admin)
    }
}

/// `https://host:port`, or without TLS `http://…`
pub(crate) fn url(tls: bool, address: impl std::fmt::Display) -> String {
    format!("http{}://{address}", if tls { "s" } else { "" })
}

impl Listeners {
    /// Binds both, or says which address is taken and by whom.
    pub(super) async fn bind(gateway: &Gateway, places: Vec<Place>) -> Result<Self, Failure> {
        let main = bind(&gateway.listen, "gateway.listen", "--listen", &places).await?;
        let admin = bind(&gateway.admin_listen, "gateway.admin_listen", "--admin-listen", &places).await?;
        let address =
            |listener: &TcpListener| listener.local_addr().map_err(|error| Failure::Runtime(error.into()));
        let addresses = Addresses {
            main: address(&main)?,
            admin: address(&admin)?,
            tls: [gateway.tls.is_some(), gateway.admin_tls.is_some()],
        };
        Ok(Self { main, admin, addresses })
    }
}

/// As `TcpListener::bind`, but for the room of its queue.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(AHEAD)
}

async fn bind(wanted: &str, key: &str, flag: &'static str, places: &[Place]) -> Result<TcpListener, Failure> {
    let found = lookup_host(wanted).await.map(Iterator::collect::<Vec<_>>);
    let failed = |error: io::Error| Failure::Runtime(anyhow!("cannot listen on {wanted} ({key}): {error}"));
    let addresses = found.map_err(failed)?;
    let Some(&address) = addresses.first() else {
        return Err(Failure::Usage(format!("{key}: '{wanted}' names no address")));
    };
    match listen(address) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = state_dir::holder_of(address, places)
                .map_or_else(String::new, |pid| format!(": mcpvisor (pid {pid}) serves there already"));
            Err(Failure::AddressInUse { address, holder, flag })
        }
        Err(error) => Err(failed(error)),
    }
}
