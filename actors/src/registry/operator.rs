//! Orders of an operator: restart, stop, start, end a session.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Ordered, RegistryState, tell};
use crate::error::EndCause;
use crate::event::{EventKind, SupervisionEvent};
use crate::key::ConnectionKey;
use crate::supervisor::SupervisorMsg;

/// The backends that an operator stopped: kept outside the Registry, since one that fails must not start them.
pub(crate) type Stopped = Arc<arc_swap::ArcSwap<BTreeSet<Arc<str>>>>;

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Another incarnation; starts a stopped backend.
    Restart,
    /// No more connections until it is started; sessions live on.
    Stop,
    /// Takes a stop back.
    Start,
    /// The session is over.
    End,
}

impl RegistryState {
    /// Carries out `order` for a backend, or for the one session of it with this hash. How many connections it
    /// reached; `None` = there is no such backend, or no such session.
    pub(super) fn operate(
        &mut self,
        order: Order,
        backend: &Arc<str>,
        session: Option<&str>,
    ) -> Option<Ordered<usize>> {
        let known = self.backends.contains_key(backend);
        let reached: Vec<ConnectionKey> = self
            .entries
            .keys()
            .filter(|key| key.backend_id == *backend)
            .filter(|key| session.is_none_or(|session| key.session_hash() == session))
            .cloned()
            .collect();
        if reached.is_empty() && (session.is_some() || !known) {
            return None;
        }
        match order {
            Order::Stop => self.stop_backend(backend, true),
            Order::Restart | Order::Start => self.stop_backend(backend, false),
            Order::End => {}
        }
        // Before the rest: what is launched now must not be one of before.
        match order {
            Order::Stop => self.end_spares(backend, "stop"),
            Order::Restart if session.is_none() => self.end_spares(backend, "restart"),
            Order::Restart | Order::Start | Order::End => self.keep_spares(backend),
        }
        if order == Order::Restart {
            self.reset_breaker(backend);
        }
        reached.iter().for_each(|key| self.order(order, key));
        Some(Ordered::new(reached.len(), reached.iter().filter_map(|key| self.entries.get(key))))
    }

    /// Whether an operator stopped the backend.
    pub(super) fn is_stopped(&self, backend: &Arc<str>) -> bool {
        self.args.stopped.load().contains(backend)
    }

    fn order(&self, order: Order, key: &ConnectionKey) {
        let Some(entry) = self.entries.get(key) else { return };
        match order {
            Order::Restart => tell(&entry.supervisor, SupervisorMsg::Restart { by_hand: true }),
            Order::Stop => tell(&entry.supervisor, SupervisorMsg::Stop),
            Order::Start => tell(&entry.supervisor, SupervisorMsg::Start),
            Order::End => {
                let cause = EndCause::Operator;
                entry.route.conclude(cause);
                tell(&entry.supervisor, SupervisorMsg::Delete { cause, done: None });
            }
        }
    }

    pub(super) fn stop_backend(&self, backend: &Arc<str>, stop: bool) {
        if self.is_stopped(backend) == stop {
            return;
        }
        self.args.stopped.rcu(|stopped| {
            let mut stopped = BTreeSet::clone(stopped);
            if stop {
                stopped.insert(backend.clone());
            } else {
                stopped.remove(backend);
            }
            stopped
        });
        let kind = if stop { EventKind::BackendStopped } else { EventKind::BackendStarted };
        self.args.events.emit(SupervisionEvent::of_backend(kind, backend, "").because("operator"));
    }
}
