//! How many connections each address has (`http.max_tcp_connections_per_peer`). Nothing is kept where that is not bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// So many addresses may be kept that have none, before somebody looks.
const SPARE: usize = 256;

/// By address.
#[derive(Default)]
pub(super) struct Peers {
    /// Held here and by each of its connections.
    known: HashMap<IpAddr, Arc<()>>,
    /// How many were left by the last look.
    left: usize,
}

/// Counts one connection of an address, until it is dropped.
pub(super) struct OfPeer(#[expect(dead_code, reason = "counted by being held")] Arc<()>);

impl Peers {
    /// One more of this address, if it has fewer than `most`; 0 = as many as come, and none is counted.
    pub(super) fn admit(&mut self, peer: IpAddr, most: usize) -> Result<Option<OfPeer>, ()> {
        if most == 0 {
            return Ok(None);
        }
        if self.known.len() > 2 * self.left + SPARE {
            self.known.retain(|_, held| Arc::strong_count(held) > 1);
            self.left = self.known.len();
        }
        let held = self.known.entry(peer.to_canonical()).or_default();
        if Arc::strong_count(held) > most {
            return Err(());
        }
        Ok(Some(OfPeer(held.clone())))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    /// One address could take all connections.
    #[test]
    fn an_address_at_its_bound_leaves_the_others_theirs() {
        let mut peers = Peers::default();
        let held = [(); 2].map(|()| peers.admit(address(1), 2).unwrap());
        assert!(peers.admit(address(1), 2).is_err());
        let mapped = Ipv4Addr::from(1).to_ipv6_mapped().into();
        assert!(peers.admit(mapped, 2).is_err(), "the same one, written otherwise");
        let other = peers.admit(address(2), 2).unwrap();
        drop(held);
        assert!(peers.admit(address(1), 2).is_ok());
        assert!(other.is_some() && peers.admit(address(3), 0).unwrap().is_none());
    }

    /// Whoever has many addresses would fill the memory.
    #[test]
    fn addresses_without_connections_are_forgotten() {
        let mut peers = Peers::default();
        let held = peers.admit(address(0), 1).unwrap();
        for number in 1..10_000 {
            peers.admit(address(number), 1).unwrap();
        }
        assert!(peers.known.len() <= SPARE + 4, "{}", peers.known.len());
        assert!(peers.admit(address(0), 1).is_err(), "it has one still");
        drop(held);
    }
}
