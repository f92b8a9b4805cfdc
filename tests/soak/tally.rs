//! What happened, counted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Default)]
pub struct Tally(RefCell<BTreeMap<String, u64>>);

impl Tally {
    pub fn count(&self, what: impl Into<String>) {
        *self.0.borrow_mut().entry(what.into()).or_default() += 1;
    }

    /// A soak in which something never happened says nothing about it.
    pub fn must_be_of_everything(&self) {
        let counted = self.0.borrow();
        for what in [
            "opened",
            "deleted",
            "abandoned",
            "dropped in a call",
            "killed",
            "stopped",
            "crashed",
            "answered",
            "answered -31001",
        ] {
            assert!(counted.contains_key(what), "never: {what}\n{self}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.borrow().iter().try_for_each(|(what, count)| writeln!(f, "{count:>8} {what}"))
    }
}
