//! Requests beyond the bounds of what may be in flight: in order for each session, in turns between them. Pure.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::pending::Pending;
use crate::route::{Route, SessionId};
use crate::supervisor::Waiting;

/// One lane for each session that waits; most connections have one session, and none that waits.
#[derive(Default)]
pub(super) struct Queue {
    lanes: HashMap<SessionId, VecDeque<Waiting>>,
    /// Whose turn it is.
    turns: VecDeque<SessionId>,
    len: usize,
}

impl Queue {
    pub(super) fn push(&mut self, item: Waiting) {
        let session = item.route().session();
        let lane = self.lanes.entry(session).or_default();
        if lane.is_empty() {
            self.turns.push_back(session);
        }
        lane.push_back(item);
        self.len += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of this session wait.
    pub(super) fn of(&self, session: SessionId) -> usize {
        self.lanes.get(&session).map_or(0, VecDeque::len)
    }

    /// The next one of the next session that `may_go`.
    pub(super) fn next(&mut self, may_go: impl Fn(SessionId) -> bool) -> Option<Waiting> {
        let at = self.turns.iter().position(|session| may_go(*session))?;
        let session = self.turns.remove(at)?;
        let lane = self.lanes.get_mut(&session)?;
        let item = lane.pop_front();
        if lane.is_empty() {
            self.lanes.remove(&session);
        } else {
            self.turns.push_back(session);
        }
        self.len -= usize::from(item.is_some());
        item
    }

    /// Whether a request of this session with this id (raw JSON) waits.
    pub(super) fn contains(&self, route: &Route, id: &[u8]) -> bool {
        self.lanes.get(&route.session()).is_some_and(|lane| lane.iter().any(|item| item.is_request(id)))
    }

    /// Takes out the request of this session with this id (raw JSON).
    pub(super) fn cancel(&mut self, route: &Route, id: &[u8]) -> Option<Pending> {
        let mut taken = self.take_where(|item| item.route().is(route) && item.is_request(id));
        taken.pop()
    }

    /// Takes out all requests of a session that has ended.
    pub(super) fn take_of(&mut self, route: &Route) -> Vec<Pending> {
        self.take_where(|item| item.route().is(route))
    }

    /// Takes out every request whose deadline has come.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Pending> {
        self.take_where(|item| item.deadline().is_some_and(|deadline| deadline <= now))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.lanes.values().flatten().filter_map(Waiting::deadline).min()
    }

    /// Everything, each session's in its order.
    pub(super) fn take(&mut self) -> Vec<Waiting> {
        let mut all = Vec::with_capacity(self.len);
        while let Some(item) = self.next(|_| true) {
            all.push(item);
        }
        all
    }

    /// What is taken out and is no request is dropped.
    fn take_where(&mut self, taken: impl Fn(&Waiting) -> bool) -> Vec<Pending> {
        if self.is_empty() || !self.lanes.values().flatten().any(&taken) {
            return Vec::new();
        }
        let mut requests = Vec::new();
        let mut kept = Self::default();
        // In turns, so that the order of the sessions stays too.
        for item in self.take() {
            match item {
                item if !taken(&item) => kept.push(item),
                Waiting::Request(pending) => requests.push(pending),
                Waiting::Notify(_) => {}
            }
        }
        *self = kept;
        requests
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::{self, Envelope};
    use crate::pending::Reply;

    fn route() -> Route {
        Route::for_tests()
    }

    fn waiting(route: &Route, id: u64) -> Waiting {
        let message = Envelope::parse(message::request(id, "x", &())).unwrap();
        let far = Instant::now() + std::time::Duration::from_secs(id);
        Waiting::Request(Pending::new(message, Reply::new().0, route.clone(), far, far))
    }

    fn id(item: Option<Waiting>) -> Option<Bytes> {
        let Some(Waiting::Request(pending)) = item else { return None };
        let id = Bytes::copy_from_slice(pending.id());
        pending.refuse(crate::error::Refusal::Cancelled);
        Some(id)
    }

    fn order(mut queue: Queue, may_go: impl Fn(SessionId) -> bool) -> Vec<Bytes> {
        std::iter::from_fn(|| id(queue.next(&may_go))).collect()
    }

    /// One session with many requests would make all others wait for all of them.
    #[tokio::test(start_paused = true)]
    async fn sessions_take_turns_and_each_keeps_its_order() {
        let (one, other) = (route(), route());
        let mut queue = Queue::default();
        for item in [waiting(&one, 1), waiting(&one, 2), waiting(&one, 3), waiting(&other, 4)] {
            queue.push(item);
        }
        assert_eq!((queue.len(), queue.of(one.session()), queue.of(other.session())), (4, 3, 1));
        assert_eq!(order(queue, |_| true), ["1", "4", "2", "3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_at_its_bound_does_not_hold_up_the_next() {
        let (one, other) = (route(), route());
        let mut queue = Queue::default();
        for item in [waiting(&one, 1), waiting(&other, 2)] {
            queue.push(item);
        }
        let full = one.session();
        assert_eq!(id(queue.next(|session| session != full)).as_deref(), Some(&b"2"[..]));
        assert!(queue.next(|session| session != full).is_none());
        assert_eq!(order(queue, |_| true), ["1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn ids_belong_to_their_session_and_deadlines_to_their_request() {
        let (one, other) = (route(), route());
        let mut queue = Queue::default();
        for item in [waiting(&one, 1), waiting(&other, 1), waiting(&one, 2)] {
            queue.push(item);
        }
        assert!(queue.contains(&one, b"1") && !queue.contains(&other, b"2"));
        assert!(queue.cancel(&other, b"2").is_none());
        queue.cancel(&other, b"1").unwrap().refuse(crate::error::Refusal::Cancelled);
        assert!(queue.contains(&one, b"1"));
        let first = queue.next_deadline().unwrap();
        let expired = queue.expired(first);
        assert_eq!(expired.len(), 1);
        expired.into_iter().for_each(|pending| pending.refuse(crate::error::Refusal::Cancelled));
        assert_eq!(order(queue, |_| true), ["2"]);
    }
}
