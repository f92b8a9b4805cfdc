//! Which incarnations live, and who waits for a key. Pure, generic over who waits.

use std::collections::{HashMap, VecDeque};

use super::Holder;
use crate::key::ConnectionKey;

/// At most one live incarnation per key, always. A spare has no key until a session gets it.
pub(super) struct Table<C = Holder> {
    last: u64,
    live: HashMap<u64, (Option<ConnectionKey>, C)>,
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
        Some((self.seat(Some(key), claimant.clone()), claimant))
    }

    /// Seats a process that is nobody's yet.
    pub(super) fn seat_spare(&mut self, holder: C) -> u64 {
        self.seat(None, holder)
    }

    /// The spare takes the place of the incarnation that was seated for its new owner's key and has no process. False:
    /// the spare is gone already, and nothing has changed.
    pub(super) fn take_over(&mut self, spare: u64, seated: u64, owner: C) -> bool {
        if !matches!(self.live.get(&spare), Some((None, _))) {
            return false;
        }
        let Some((key, _)) = self.live.remove(&seated) else { return false };
        if let Some(key) = &key {
            self.seated.insert(key.clone(), spare);
        }
        self.live.insert(spare, (key, owner));
        true
    }

    /// An incarnation is gone.
    pub(super) fn gone(&mut self, incarnation: u64) -> Freed<C> {
        let Some((key, owner)) = self.live.remove(&incarnation) else {
            return Freed { owner: None, next: None };
        };
        let Some(key) = key else { return Freed { owner: Some(owner), next: None } };
        self.seated.remove(&key);
        let next = self.waiting.get_mut(&key).and_then(VecDeque::pop_front);
        if self.waiting.get(&key).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(&key);
        }
        let next = next.map(|claimant| (self.seat(Some(key), claimant.clone()), claimant));
        Freed { owner: Some(owner), next }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    fn seat(&mut self, key: Option<ConnectionKey>, claimant: C) -> u64 {
        self.last += 1;
        if let Some(key) = &key {
            self.seated.insert(key.clone(), self.last);
        }
        self.live.insert(self.last, (key, claimant));
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

    /// A session could get two servers at once, or a spare that lives on would not be waited for.
    #[test]
    fn a_spare_takes_over_the_key_of_its_session_and_no_other_is_seated_before_it_is_gone() {
        let mut table: Table<&str> = Table::default();
        let key = ConnectionKey::new("b", "s");
        let spare = table.seat_spare("registry");
        assert_eq!(table.claim(key.clone(), "first"), Some((2, "first")), "a spare holds no key");
        assert!(table.take_over(spare, 2, "first"));
        let freed = table.gone(2);
        assert!(freed.owner.is_none() && freed.next.is_none(), "its seat has become the spare's");
        assert_eq!(table.claim(key, "second"), None);
        let freed = table.gone(spare);
        assert_eq!((freed.owner, freed.next), (Some("first"), Some((3, "second"))));
    }

    #[test]
    fn a_spare_that_is_gone_leaves_the_seat_to_its_session() {
        let mut table: Table<&str> = Table::default();
        let key = ConnectionKey::new("b", "s");
        let spare = table.seat_spare("registry");
        table.claim(key.clone(), "first");
        assert_eq!(table.gone(spare).owner, Some("registry"));
        assert!(!table.take_over(spare, 2, "first"));
        assert_eq!(table.claim(key, "second"), None, "the first has its seat still");
        assert_eq!(table.gone(2).next, Some((3, "second")));
    }

    #[test]
    fn a_spare_is_given_once() {
        let mut table: Table<&str> = Table::default();
        let spare = table.seat_spare("registry");
        table.claim(ConnectionKey::new("b", "s"), "first");
        table.claim(ConnectionKey::new("b", "t"), "second");
        assert!(table.take_over(spare, 2, "first"));
        assert!(!table.take_over(spare, 3, "second"));
        table.gone(spare);
        assert!(!table.is_empty(), "the second keeps its own");
    }
}
