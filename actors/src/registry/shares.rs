//! What one principal may have of the connections, so that the others have theirs (`[principal_limits]`).

use std::time::Duration;

use mcpvisor_config::PrincipalLimits;

use super::RegistryState;
use crate::error::{Overload, Refusal};
use crate::key::ConnectionKey;
use crate::metadata::Phase;
use crate::route::Route;

/// Before one who launches too much at once should come again: most launches are over by then.
const LAUNCHES_RETRY: Duration = Duration::from_secs(2);

/// Who is charged with the connection that this route asks for; `None`: nobody, since others use it as well.
pub(super) fn owner(route: &Route) -> Option<Box<str>> {
    let record = route.record();
    let own = !record.principal.is_empty() && !route.key().is_everybodys();
    own.then(|| record.principal.as_str().into())
}

/// Whether one more may be launched beside these connections of the same principal: each is true that is launching.
fn room(own: impl Iterator<Item = bool>, limits: &PrincipalLimits) -> Result<(), (Overload, usize)> {
    let (mut connections, mut launching) = (0, 0);
    for launches in own {
        connections += 1;
        launching += usize::from(launches);
    }
    let full = |most: usize, count: usize| most > 0 && count >= most;
    if full(limits.max_connections, connections) {
        return Err((Overload::PrincipalConnections, limits.max_connections));
    }
    if full(limits.max_launches, launching) {
        return Err((Overload::PrincipalLaunches, limits.max_launches));
    }
    Ok(())
}

impl RegistryState {
    /// Whether the principal may have one more connection. Counted anew at each launch, which costs far more.
    pub(super) fn has_room_for(&self, key: &ConnectionKey, principal: Option<&str>) -> Result<(), Refusal> {
        let config = self.args.live.config();
        let limits = &config.principal_limits;
        let Some(principal) = principal.filter(|_| limits.max_connections > 0 || limits.max_launches > 0)
        else {
            return Ok(());
        };
        let own = self.entries.values().filter(|entry| entry.principal.as_deref() == Some(principal));
        room(own.map(|entry| entry.phase() == Phase::Launching), limits).map_err(|(what, most)| {
            let retry_after = match what {
                Overload::PrincipalLaunches => LAUNCHES_RETRY,
                _ => config.pool.cleanup_interval,
            };
            let (backend, most) = (key.backend_id.clone(), Some(most as u64));
            Refusal::Overloaded { backend, what, most, retry_after }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_so_many_connections_and_launches_and_no_more() {
        let limits = |max_connections, max_launches| PrincipalLimits {
            max_connections,
            max_launches,
            ..PrincipalLimits::default()
        };
        let three = || [true, true, false].into_iter();
        assert_eq!(room(three(), &limits(0, 0)), Ok(()));
        assert_eq!(room(three(), &limits(4, 3)), Ok(()));
        assert_eq!(room(three(), &limits(3, 0)), Err((Overload::PrincipalConnections, 3)));
        assert_eq!(room(three(), &limits(0, 2)), Err((Overload::PrincipalLaunches, 2)));
    }
}
