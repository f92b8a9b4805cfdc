//! What arrives while there is no ready connection: kept in order, bounded, to its own deadline. Pure.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::pending::Pending;
use crate::route::{Notice, Route, SessionId};

pub(crate) enum Waiting {
    Request(Pending),
    Notify(Notice),
}

impl Waiting {
    /// Whose it is.
    pub(crate) fn route(&self) -> &Route {
        match self {
            Self::Request(pending) => pending.route(),
            Self::Notify(notice) => &notice.route,
        }
    }

    /// Whether it is the request with this id (raw JSON).
    pub(crate) fn is_request(&self, id: &[u8]) -> bool {
        matches!(self, Self::Request(pending) if pending.id() == id)
    }

    /// When it is answered with a timeout, if it is a request.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Request(pending) => Some(pending.deadline()),
            Self::Notify(_) => None,
        }
    }
}

pub(crate) struct WaitingRoom {
    items: VecDeque<Waiting>,
    requests: usize,
    /// Requests of each session that has any.
    by_session: HashMap<SessionId, usize>,
    most: usize,
}

impl WaitingRoom {
    /// `most`: limits.max_queued, for each session.
    pub(crate) fn new(most: usize) -> Self {
        Self { items: VecDeque::new(), requests: 0, by_session: HashMap::new(), most: most.max(1) }
    }

    /// So many from now on; those that wait stay.
    pub(crate) fn configure(&mut self, most: usize) {
        self.most = most.max(1);
    }

    /// Keeps a request; gives it back if the room is full.
    pub(crate) fn request(&mut self, pending: Pending) -> Result<(), Pending> {
        let of_session = self.by_session.entry(pending.route().session()).or_default();
        if *of_session >= self.most {
            return Err(pending);
        }
        *of_session += 1;
        self.requests += 1;
        self.items.push_back(Waiting::Request(pending));
        Ok(())
    }

    /// Keeps a notification; false if the room is full.
    pub(crate) fn notify(&mut self, notice: Notice) -> bool {
        let room = self.items.len() - self.requests < self.most;
        if room {
            self.items.push_back(Waiting::Notify(notice));
        }
        room
    }

    /// Takes out the request that the client cancelled; more than one, if the client has used an id twice.
    pub(crate) fn cancel(&mut self, route: &Route, id: &[u8]) -> Vec<Pending> {
        self.take_where(|pending| pending.route().is(route) && pending.id() == id)
    }

    /// Takes out the requests of a session that has ended.
    pub(crate) fn take_of(&mut self, route: &Route) -> Vec<Pending> {
        self.take_where(|pending| pending.route().is(route))
    }

    /// Takes out every request whose deadline has come.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Pending> {
        self.take_where(|pending| pending.deadline() <= now)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.items.iter().filter_map(Waiting::deadline).min()
    }

    /// Everything, in order of arrival.
    pub(crate) fn take(&mut self) -> VecDeque<Waiting> {
        self.requests = 0;
        self.by_session.clear();
        std::mem::take(&mut self.items)
    }

    /// The requests that wait.
    pub(crate) fn requests(&self) -> usize {
        self.requests
    }

    fn take_where(&mut self, taken: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let mut requests = Vec::new();
        for item in std::mem::take(&mut self.items) {
            match item {
                Waiting::Request(pending) if taken(&pending) => requests.push(pending),
                item => self.items.push_back(item),
            }
        }
        for pending in &requests {
            self.requests -= 1;
            let session = pending.route().session();
            let left = self.by_session.get(&session).map_or(0, |count| count - 1);
            match left {
                0 => drop(self.by_session.remove(&session)),
                left => drop(self.by_session.insert(session, left)),
            }
        }
        requests
    }
}
