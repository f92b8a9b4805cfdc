//! The sessions that share one connection.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;

use super::{Inner, Route};

/// Copied at each join and leave, read without waiting. It keeps no session alive: one that is dropped without
/// leaving is gone with its last handle.
#[derive(Default)]
pub(crate) struct Members(ArcSwap<Vec<Weak<Inner>>>);

impl Members {
    /// False if it had joined before.
    pub(super) fn join(&self, route: &Route) -> bool {
        if self.contains(route) {
            return false;
        }
        self.change(|members| members.push(Arc::downgrade(&route.0)));
        true
    }

    /// False if it was none.
    pub(super) fn leave(&self, route: &Route) -> bool {
        if !self.contains(route) {
            return false;
        }
        self.change(|members| members.retain(|member| !is(member, route)));
        true
    }

    /// Those that are there, in the order in which they joined.
    pub(crate) fn all(&self) -> Vec<Route> {
        self.0.load().iter().filter_map(Weak::upgrade).map(Route).collect()
    }

    fn contains(&self, route: &Route) -> bool {
        self.0.load().iter().any(|member| is(member, route))
    }

    fn change(&self, change: impl Fn(&mut Vec<Weak<Inner>>)) {
        self.0.rcu(|members| {
            let mut members: Vec<_> =
                members.iter().filter(|member| member.strong_count() > 0).cloned().collect();
            change(&mut members);
            members
        });
    }
}

fn is(member: &Weak<Inner>, route: &Route) -> bool {
    std::ptr::eq(member.as_ptr(), Arc::as_ptr(&route.0))
}
