//! What arrives while there is no ready connection: kept in order, bounded, to its own deadline. Pure.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::message::Envelope;
use crate::pending::Pending;

pub(crate) enum Waiting {
    Request(Pending),
    Notify(Envelope),
}

pub(crate) struct WaitingRoom {
    items: VecDeque<Waiting>,
    requests: usize,
    most: usize,
}

impl WaitingRoom {
    /// `most`: limits.max_queued.
    pub(crate) fn new(most: usize) -> Self {
        Self { items: VecDeque::new(), requests: 0, most: most.max(1) }
    }

    /// Keeps a request; gives it back if the room is full.
    pub(crate) fn request(&mut self, pending: Pending) -> Result<(), Pending> {
        if self.requests >= self.most {
            return Err(pending);
        }
        self.requests += 1;
        self.items.push_back(Waiting::Request(pending));
        Ok(())
    }

    /// Keeps a notification; false if the room is full.
    pub(crate) fn notify(&mut self, message: Envelope) -> bool {
        let room = self.items.len() - self.requests < self.most;
        if room {
            self.items.push_back(Waiting::Notify(message));
        }
        room
    }

    /// Takes out the request that the client cancelled.
    pub(crate) fn cancel(&mut self, id: &[u8]) -> Option<Pending> {
        let at = self
            .items
            .iter()
            .position(|item| matches!(item, Waiting::Request(pending) if pending.id() == id))?;
        match self.items.remove(at) {
            Some(Waiting::Request(pending)) => {
                self.requests -= 1;
                Some(pending)
            }
            _ => None,
        }
    }

    /// Takes out every request whose deadline has come.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Pending> {
        let mut expired = Vec::new();
        for item in std::mem::take(&mut self.items) {
            match item {
                Waiting::Request(pending) if pending.deadline() <= now => expired.push(pending),
                item => self.items.push_back(item),
            }
        }
        self.requests -= expired.len();
        expired
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.requests_ref().map(Pending::deadline).min()
    }

    /// Everything, in order of arrival.
    pub(crate) fn take(&mut self) -> VecDeque<Waiting> {
        self.requests = 0;
        std::mem::take(&mut self.items)
    }

    /// The requests that wait.
    pub(crate) fn requests(&self) -> usize {
        self.requests
    }

    fn requests_ref(&self) -> impl Iterator<Item = &Pending> {
        self.items.iter().filter_map(|item| match item {
            Waiting::Request(pending) => Some(pending),
            Waiting::Notify(_) => None,
        })
    }
}
