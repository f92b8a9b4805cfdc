//! Whether there is memory for one more server (`limits.max_memory`), and who has to go for it.
//!
//! What servers use is looked at every 10 s. In between each is taken to use as much as those that were seen do on average; of
//! a backend that has none nothing is known, and its first is let in. What is on its way out is counted as gone.

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::Transport;
use tokio::time::Instant;

use super::{RegistryState, tell};
use crate::children::{BackendUsage, ChildrenUsage};
use crate::error::{Overload, Refusal};
use crate::janitor;
use crate::key::ConnectionKey;
use crate::metadata::Phase;
use crate::supervisor::SupervisorMsg;

/// Between two looks at what servers use.
const RETRY: Duration = Duration::from_secs(10);
/// Who asked something this short a time ago is likely to ask more.
const RESTING: Duration = Duration::from_secs(5);

/// One bound: of a backend, or of all.
struct Bound<'a> {
    /// `None`: of all.
    backend: Option<&'a Arc<str>>,
    /// Bytes; never 0.
    most: u64,
}

impl Bound<'_> {
    fn is_of(&self, backend: &Arc<str>) -> bool {
        self.backend.is_none_or(|own| own == backend)
    }

    fn seen(&self, usage: &ChildrenUsage) -> BackendUsage {
        let own = usage.backends.iter().filter(|(name, _)| self.is_of(name));
        own.fold(BackendUsage::default(), |sum, (_, one)| BackendUsage {
            servers: sum.servers + one.servers,
            memory: sum.memory + one.memory,
            ..sum
        })
    }

    fn what(&self) -> Overload {
        match self.backend {
            Some(_) => Overload::BackendMemory,
            None => Overload::Memory,
        }
    }
}

/// How many of `idle` servers have to go before one more fits beside `live` ones, those included; `None`: all of them are not
/// enough.
fn to_go(seen: BackendUsage, live: usize, idle: usize, most: u64) -> Option<usize> {
    let each = seen.memory / seen.servers.max(1);
    if live == 0 || each == 0 {
        return Some(0);
    }
    let surplus = each.saturating_mul(live as u64 + 1).saturating_sub(most);
    let go = usize::try_from(surplus.div_ceil(each)).unwrap_or(usize::MAX);
    // Without any other it may run, however large it is: else it never would.
    let go = go.min(live);
    (go <= idle).then_some(go)
}

impl RegistryState {
    /// Makes room for one more server of the key, of which its backend may have so much memory; 0 = no bound of its own.
    pub(super) fn make_room(&self, key: &ConnectionKey, own: usize) -> Result<(), Refusal> {
        // One in reserve is there already.
        if self.backends.get(&key.backend_id).is_some_and(|entry| entry.spares.count().1 > 0) {
            return Ok(());
        }
        for other in self.in_the_way(&key.backend_id, own)? {
            let Some(entry) = self.entries.get(other) else { continue };
            entry.route.place().usage.press();
            tell(&entry.supervisor, SupervisorMsg::Evict);
        }
        Ok(())
    }

    /// Whether one more fits that nobody has asked for.
    pub(super) fn has_memory_for(&self, backend: &Arc<str>) -> bool {
        let own = self.backends.get(backend).map_or(0, |entry| entry.backend.limits.max_memory);
        self.in_the_way(backend, own).is_ok_and(|keys| keys.is_empty())
    }

    /// Those that have to go first, longest unused first.
    fn in_the_way(&self, backend: &Arc<str>, own: usize) -> Result<Vec<&ConnectionKey>, Refusal> {
        let all = self.args.live.config().limits.max_memory;
        let (own, all) =
            (Bound { backend: Some(backend), most: own as u64 }, Bound { backend: None, most: all as u64 });
        let mut going = Vec::new();
        if (own.most, all.most) == (0, 0) || !self.has_processes(backend) {
            return Ok(going);
        }
        let usage = self.args.sweeper.children().usage();
        for bound in [own, all].iter().filter(|bound| bound.most > 0) {
            let (live, mut idle) = self.servers(bound, &going);
            let Some(go) = to_go(bound.seen(&usage), live, idle.len(), bound.most) else {
                let (backend, what, most) = (backend.clone(), bound.what(), Some(bound.most));
                return Err(Refusal::Overloaded { backend, what, most, retry_after: RETRY });
            };
            idle.sort_by_key(|(last_used, _)| *last_used);
            going.extend(idle.into_iter().take(go).map(|(_, key)| key));
        }
        Ok(going)
    }

    fn has_processes(&self, backend: &Arc<str>) -> bool {
        let known = self.backends.get(backend);
        known.is_some_and(|known| matches!(known.backend.transport, Transport::Stdio { .. }))
    }

    /// How many there are within a bound, and which of them nobody uses; `going` are gone.
    fn servers<'a>(
        &'a self,
        bound: &Bound<'_>,
        going: &[&ConnectionKey],
    ) -> (usize, Vec<(Instant, &'a ConnectionKey)>) {
        let mut live = self.reserve.values().filter(|kept| bound.is_of(&kept.backend)).count();
        let mut idle = Vec::new();
        for (key, entry) in &self.entries {
            let (seen, backend) = (entry.seen(), &entry.configured.backend);
            let there = matches!(seen.phase, Phase::Launching | Phase::Ready | Phase::BackingOff);
            let counts = there && !seen.pressed && !going.contains(&key);
            if !counts || !bound.is_of(&key.backend_id) || !self.has_processes(&key.backend_id) {
                continue;
            }
            live += 1;
            let rests = seen.phase == Phase::Ready && !seen.busy && seen.idle_for >= RESTING;
            if rests && !janitor::kept(seen, backend) {
                idle.push((entry.route.place().usage.last_used(), key));
            }
        }
        (live, idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(servers: u64, memory: u64) -> BackendUsage {
        BackendUsage { servers, memory, ..BackendUsage::default() }
    }

    #[test]
    fn as_many_go_as_have_to_and_no_more() {
        // Four of 25 each: a fifth makes 125.
        assert_eq!(to_go(seen(4, 100), 4, 4, 125), Some(0));
        assert_eq!(to_go(seen(4, 100), 4, 4, 124), Some(1));
        assert_eq!(to_go(seen(4, 100), 4, 4, 99), Some(2));
        assert_eq!(to_go(seen(4, 100), 4, 1, 99), None, "only one can go");
        // Six are there by now, of which two have not been seen.
        assert_eq!(to_go(seen(4, 100), 6, 6, 125), Some(2));
    }

    /// A server that is larger than its bound would never run; one that nobody knows would never be tried.
    #[test]
    fn the_first_is_let_in() {
        assert_eq!(to_go(seen(0, 0), 3, 0, 1), Some(0), "nothing is known");
        assert_eq!(to_go(seen(1, 500), 0, 0, 100), Some(0), "it was seen, and is gone");
        assert_eq!(to_go(seen(1, 500), 1, 1, 100), Some(1), "in place of the one there is");
        assert_eq!(to_go(seen(1, 500), 1, 0, 100), None);
    }
}
