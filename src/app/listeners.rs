//! The two listeners.

use std::io;
use std::net::SocketAddr;

use anyhow::anyhow;
use mcpvisor_config::Gateway;
use tokio::net::{TcpListener, lookup_host};

use super::Failure;
use super::state_dir::{self, Place};

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
}

impl Listeners {
    /// Binds both, or says which address is taken and by whom.
    pub(super) async fn bind(gateway: &Gateway, places: Vec<Place>) -> Result<Self, Failure> {
        let main = bind(&gateway.listen, "gateway.listen", "--listen", &places).await?;
        let admin = bind(&gateway.admin_listen, "gateway.admin_listen", "--admin-listen", &places).await?;
        let address =
            |listener: &TcpListener| listener.local_addr().map_err(|error| Failure::Runtime(error.into()));
        let addresses = Addresses { main: address(&main)?, admin: address(&admin)? };
        Ok(Self { main, admin, addresses })
    }
}

async fn bind(wanted: &str, key: &str, flag: &'static str, places: &[Place]) -> Result<TcpListener, Failure> {
    let found = lookup_host(wanted).await.map(Iterator::collect::<Vec<_>>);
    let failed = |error: io::Error| Failure::Runtime(anyhow!("cannot listen on {wanted} ({key}): {error}"));
    let addresses = found.map_err(failed)?;
    let Some(&address) = addresses.first() else {
        return Err(Failure::Usage(format!("{key}: '{wanted}' names no address")));
    };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = state_dir::holder_of(address, places)
                .map_or_else(String::new, |pid| format!(": mcpvisor (pid {pid}) serves there already"));
            Err(Failure::AddressInUse { address, holder, flag })
        }
        Err(error) => Err(failed(error)),
    }
}
