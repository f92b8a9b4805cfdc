//! Which incarnations live, and who waits for a key. Pure, generic over who waits.

use std::collections::{HashMap, VecDeque};

use ractor::ActorRef;

use crate::key::ConnectionKey;
use crate::supervisor::SupervisorMsg;

pub(super) type Claimant = ActorRef<SupervisorMsg>;

/// At most one live incarnation per key, always.
pub(super) struct Table<C = Claimant> {
    last: u64,
    live: HashMap<u64, (ConnectionKey, C)>,
    seated: HashMap<ConnectionKey, u64>,
    waiting: HashMap<ConnectionKey, VecDeque<C>>,
}

/// What the end of an incarnation sets free.
pub(super) struct Freed<C> {
    /// Who held it.
    pub(super) owner: Option<C>,
    /// Who gets the key next.
    pub(super) next: Option<(u64, C)>,
}

impl<C> Default for Table<C> {
    fn default() -> Self {
        Self { last: 0, live: HashMap::new(), seated: HashMap::new(), waiting: HashMap::new() }
    }
}

impl<C: Clone> Table<C> {
    /// Seats `claimant` at once, or when the live incarnation of the key is gone.
    pub(super) fn claim(&mut self, key: ConnectionKey, claimant: C) -> Option<(u64, C)> {
        if self.seated.contains_key(&key) {
            self.waiting.entry(key).or_default().push_back(claimant);
            return None;
        }
        Some((self.seat(key, claimant.clone()), claimant))
    }

    /// An incarnation is gone.
    pub(super) fn gone(&mut self, incarnation: u64) -> Freed<C> {
        let Some((key, owner)) = self.live.remove(&incarnation) else {
            return Freed { owner: None, next: None };
        };
        self.seated.remove(&key);
        let next = self.waiting.get_mut(&key).and_then(VecDeque::pop_front);
        if self.waiting.get(&key).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(&key);
        }
        let next = next.map(|claimant| (self.seat(key, claimant.clone()), claimant));
        Freed { owner: Some(owner), next }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    fn seat(&mut self, key: ConnectionKey, claimant: C) -> u64 {
        self.last += 1;
        self.live.insert(self.last, (key.clone(), claimant));
        self.seated.insert(key, self.last);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_seated_once_and_the_next_waits_for_its_end() {
        let mut table: Table<&str> = Table::default();
        let key = ConnectionKey::new("b", "s");
        assert_eq!(table.claim(key.clone(), "first"), Some((1, "first")));
        assert_eq!(table.claim(key.clone(), "second"), None);
        assert_eq!(table.claim(ConnectionKey::new("b", "t"), "other"), Some((2, "other")));
        let freed = table.gone(1);
        assert_eq!((freed.owner, freed.next), (Some("first"), Some((3, "second"))));
        assert!(table.gone(1).owner.is_none(), "an incarnation ends once");
        table.gone(2);
        table.gone(3);
        assert!(table.is_empty());
    }
}
