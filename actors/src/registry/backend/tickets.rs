//! How many launches of a backend may run at once; the rest wait in order.

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

    /// True: launch now. False: `release` will name the key when it is its turn.
    pub(crate) fn request(&mut self, key: ConnectionKey) -> bool {
        if self.held.len() < self.most || self.held.contains(&key) {
            self.held.insert(key);
            return true;
        }
        if !self.waiting.contains(&key) {
            self.waiting.push_back(key);
        }
        false
    }

    /// The key's launch is over, or no longer wanted; who may launch in its place.
    pub(crate) fn release(&mut self, key: &ConnectionKey) -> Option<ConnectionKey> {
        self.waiting.retain(|other| other != key);
        if !self.held.remove(key) {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.held.insert(next.clone());
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: &str) -> ConnectionKey {
        ConnectionKey::new("b", session)
    }

    #[test]
    fn launches_beyond_the_bound_wait_in_order() {
        let mut tickets = Tickets::new(2);
        assert!(tickets.request(key("1")) && tickets.request(key("2")));
        assert!(!tickets.request(key("3")) && !tickets.request(key("4")));
        assert_eq!(tickets.release(&key("1")), Some(key("3")));
        assert_eq!(tickets.release(&key("1")), None, "a ticket is given back once");
        assert_eq!(tickets.release(&key("2")), Some(key("4")));
        assert_eq!(tickets.release(&key("3")), None);
    }

    #[test]
    fn who_gives_up_waiting_is_passed_over() {
        let mut tickets = Tickets::new(1);
        assert!(tickets.request(key("1")));
        assert!(!tickets.request(key("2")) && !tickets.request(key("3")));
        assert_eq!(tickets.release(&key("2")), None);
        assert_eq!(tickets.release(&key("1")), Some(key("3")));
    }
}
