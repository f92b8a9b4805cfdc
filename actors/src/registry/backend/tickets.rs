//! How many launches of a backend may run at once; the rest wait in order. Pure.

use std::collections::{HashSet, VecDeque};

use crate::key::ConnectionKey;

/// First come, first served.
pub(crate) struct Tickets {
    most: usize,
    held: HashSet<ConnectionKey>,
    waiting: VecDeque<ConnectionKey>,
}

impl Tickets {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), held: HashSet::new(), waiting: VecDeque::new() }
    }

    /// Gets in line. Whoever has a ticket keeps it.
    pub(crate) fn request(&mut self, key: ConnectionKey) {
        if !self.held.contains(&key) && !self.waiting.contains(&key) {
            self.waiting.push_back(key);
        }
    }

    /// The key's launch is over, or no longer wanted.
    pub(crate) fn release(&mut self, key: &ConnectionKey) {
        self.waiting.retain(|other| other != key);
        self.held.remove(key);
    }

    /// Gives the first in line its ticket, if one is left and `admit` lets it.
    pub(crate) fn next(&mut self, admit: impl FnOnce(&ConnectionKey) -> bool) -> Option<ConnectionKey> {
        if self.held.len() >= self.most || !admit(self.waiting.front()?) {
            return None;
        }
        let key = self.waiting.pop_front()?;
        self.held.insert(key.clone());
        Some(key)
    }

    /// Who waits, in order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &ConnectionKey> {
        self.waiting.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: &str) -> ConnectionKey {
        ConnectionKey::new("b", session)
    }

    fn tickets(most: usize, sessions: &[&str]) -> Tickets {
        let mut tickets = Tickets::new(most);
        sessions.iter().for_each(|session| tickets.request(key(session)));
        tickets
    }

    #[test]
    fn launches_beyond_the_bound_wait_in_order() {
        let mut tickets = tickets(2, &["1", "2", "3", "4"]);
        let mut next = |done: &str| {
            tickets.release(&key(done));
            tickets.next(|_| true)
        };
        assert_eq!(next(""), Some(key("1")));
        assert_eq!(next(""), Some(key("2")));
        assert_eq!(next(""), None);
        assert_eq!(next("1"), Some(key("3")));
        assert_eq!(next("1"), None, "a ticket is given back once");
        assert_eq!(next("2"), Some(key("4")));
        assert_eq!(next("3"), None);
    }

    #[test]
    fn who_gives_up_waiting_is_passed_over() {
        let mut tickets = tickets(1, &["1", "2", "3"]);
        assert_eq!(tickets.next(|_| true), Some(key("1")));
        tickets.release(&key("2"));
        assert_eq!(tickets.next(|_| true), None);
        tickets.release(&key("1"));
        assert_eq!(tickets.next(|_| true), Some(key("3")));
    }

    #[test]
    fn who_is_not_let_through_keeps_its_place() {
        let mut tickets = tickets(4, &["1", "2"]);
        assert_eq!(tickets.next(|_| false), None);
        assert_eq!(tickets.next(|next| *next == key("1")), Some(key("1")));
        assert_eq!(tickets.waiting().count(), 1);
    }
}
