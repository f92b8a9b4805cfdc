//! How many launches of a backend may run at once; the rest wait in order, or for a spare. Pure.

use std::collections::{HashSet, VecDeque};

use crate::key::ConnectionKey;

/// First come, first served.
pub(crate) struct Tickets {
    most: usize,
    held: HashSet<ConnectionKey>,
    waiting: VecDeque<Waiter>,
}

struct Waiter {
    key: ConnectionKey,
    /// A spare will do as well.
    takes_spare: bool,
}

impl Tickets {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), held: HashSet::new(), waiting: VecDeque::new() }
    }

    /// So many may run from now on; those that do go on.
    pub(crate) fn configure(&mut self, most: usize) {
        self.most = most.max(1);
    }

    /// Gets in line, for a ticket or, if it `takes_spare`, what comes first. Whoever has a ticket keeps it.
    pub(crate) fn request(&mut self, key: ConnectionKey, takes_spare: bool) {
        if !self.held.contains(&key) && self.waiting().all(|other| *other != key) {
            self.waiting.push_back(Waiter { key, takes_spare });
        }
    }

    /// The key's launch is over, or no longer wanted.
    pub(crate) fn release(&mut self, key: &ConnectionKey) {
        self.waiting.retain(|other| other.key != *key);
        self.held.remove(key);
    }

    /// Gives the first in line its ticket, if one is left and `admit` lets it.
    pub(crate) fn next(&mut self, admit: impl FnOnce(&ConnectionKey) -> bool) -> Option<ConnectionKey> {
        if self.held.len() >= self.most || !admit(&self.waiting.front()?.key) {
            return None;
        }
        let key = self.waiting.pop_front()?.key;
        self.held.insert(key.clone());
        Some(key)
    }

    /// Lets the first go that takes a spare, if there is one: it needs no ticket.
    pub(crate) fn next_with(&mut self, spare: impl FnOnce() -> Option<u64>) -> Option<(ConnectionKey, u64)> {
        let first = self.waiting.iter().position(|waiter| waiter.takes_spare)?;
        let spare = spare()?;
        Some((self.waiting.remove(first)?.key, spare))
    }

    /// A ticket for what nobody waits for: only if one is left and nobody is in line.
    pub(crate) fn take_last(&mut self, key: &ConnectionKey) -> bool {
        let free = self.waiting.is_empty() && self.held.len() < self.most;
        free && self.held.insert(key.clone())
    }

    /// Who waits, in order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &ConnectionKey> {
        self.waiting.iter().map(|waiter| &waiter.key)
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
        sessions.iter().for_each(|session| tickets.request(key(session), true));
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

    /// A session would wait for a process that is started in case somebody comes.
    #[test]
    fn what_nobody_waits_for_comes_last() {
        let mut tickets = tickets(2, &["1"]);
        assert!(!tickets.take_last(&key("spare")), "somebody is in line");
        assert_eq!(tickets.next(|_| true), Some(key("1")));
        assert!(tickets.take_last(&key("spare")));
        assert!(!tickets.take_last(&key("spare")), "one at a time");
        tickets.release(&key("spare"));
        tickets.request(key("2"), true);
        assert_eq!(tickets.next(|_| true), Some(key("2")));
        assert!(!tickets.take_last(&key("spare")), "none is left");
    }

    #[test]
    fn a_spare_goes_to_the_first_that_takes_one_and_costs_no_ticket() {
        let mut tickets = tickets(1, &[]);
        tickets.request(key("1"), false);
        tickets.request(key("2"), true);
        assert_eq!(tickets.next(|_| true), Some(key("1")));
        tickets.request(key("3"), false);
        assert_eq!(tickets.next_with(|| None), None);
        assert_eq!(tickets.next_with(|| Some(7)), Some((key("2"), 7)));
        assert_eq!(tickets.next_with(|| panic!("nobody takes it")), None);
        assert_eq!(tickets.waiting().count(), 1);
    }
}
