//! The requests that the backend has: by the id on the wire, the client's id, the progress token. Pure.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tokio::time::Instant;

use crate::pending::{Pending, Stage};
use crate::route::{Route, SessionId};

/// One request in flight.
pub(super) struct Flight {
    pub(super) pending: Pending,
    pub(super) since: Instant,
    /// The client's progress token, raw JSON.
    pub(super) token: Option<Bytes>,
    /// The client no longer wants it; an answer that comes all the same is still delivered.
    pub(super) cancelled: bool,
    /// It listens until somebody ends it: no work of the backend's, and no bound counts it.
    pub(super) listens: bool,
}

/// Ordered by the id on the wire, which is the order of sending.
#[derive(Default)]
pub(super) struct InFlight {
    flights: BTreeMap<u64, Flight>,
    /// How many of each session that has any, but for those that listen.
    by_session: HashMap<SessionId, usize>,
    listening: usize,
}

impl InFlight {
    pub(super) fn insert(&mut self, wire: u64, flight: Flight) {
        if flight.listens {
            self.listening += 1;
            self.flights.insert(wire, flight);
            return;
        }
        *self.by_session.entry(flight.pending.route().session()).or_default() += 1;
        self.flights.insert(wire, flight);
    }

    pub(super) fn remove(&mut self, wire: u64) -> Option<Flight> {
        let flight = self.flights.remove(&wire)?;
        if flight.listens {
            self.listening -= 1;
            return Some(flight);
        }
        let session = flight.pending.route().session();
        if let Some(count) = self.by_session.get_mut(&session) {
            *count -= 1;
            if *count == 0 {
                self.by_session.remove(&session);
            }
        }
        Some(flight)
    }

    /// How many requests of this session.
    pub(super) fn of(&self, session: SessionId) -> usize {
        self.by_session.get(&session).copied().unwrap_or(0)
    }

    /// The session that all work belongs to, if there is just one.
    ///
    /// A request that waits for its client counts only where it is alone, or with strangers: it has asked already, and
    /// one whose client never comes back must not keep all others from asking. The same for one that was taken back.
    pub(super) fn only_session(&self) -> Option<&Route> {
        let mut working = self.flights.values().filter(|flight| !flight.listens);
        if self.by_session.len() == 1 {
            return working.next().map(|flight| flight.pending.route());
        }
        let awake = working.clone().filter(|flight| !flight.cancelled).map(|flight| flight.pending.route());
        let mut awake = awake.filter(|route| !route.is_parked());
        let only = awake.next()?;
        let principal = &only.record().principal;
        let mut working = working.map(|flight| flight.pending.route());
        let is_clear =
            awake.all(|other| other.is(only)) && working.all(|other| other.record().principal == *principal);
        is_clear.then_some(only)
    }

    /// The requests of a session.
    pub(super) fn wires_of(&self, route: &Route) -> Vec<u64> {
        let own = self.flights.iter().filter(|(_, flight)| flight.pending.route().is(route));
        own.map(|(wire, _)| *wire).collect()
    }

    pub(super) fn get(&self, wire: u64) -> Option<&Flight> {
        self.flights.get(&wire)
    }

    pub(super) fn get_mut(&mut self, wire: u64) -> Option<&mut Flight> {
        self.flights.get_mut(&wire)
    }

    pub(super) fn contains(&self, wire: u64) -> bool {
        self.flights.contains_key(&wire)
    }

    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// How many the backend works on: all but those that listen.
    pub(super) fn at_work(&self) -> usize {
        self.flights.len() - self.listening
    }

    /// Those that listen.
    pub(super) fn take_listening(&mut self) -> Vec<(u64, Flight)> {
        let listening: Vec<u64> =
            self.flights.iter().filter(|(_, flight)| flight.listens).map(|(wire, _)| *wire).collect();
        listening.into_iter().filter_map(|wire| Some((wire, self.remove(wire)?))).collect()
    }

    /// The ids on the wire, in order of sending.
    pub(super) fn wires(&self) -> impl Iterator<Item = u64> {
        self.flights.keys().copied()
    }

    /// The request of the client that has this id (raw JSON).
    pub(super) fn by_client_id(&self, route: &Route, id: &[u8]) -> Option<u64> {
        let is = |flight: &Flight| flight.pending.id() == id && flight.pending.route().is(route);
        self.flights.iter().find(|(_, flight)| is(flight)).map(|(wire, _)| *wire)
    }

    /// The request that asked for progress under this token (raw JSON).
    pub(super) fn by_token(&self, token: &[u8]) -> Option<u64> {
        let same = |flight: &Flight| flight.token.as_ref().is_some_and(|other| same_json(other, token));
        self.flights.iter().find(|(_, flight)| same(flight)).map(|(wire, _)| *wire)
    }

    /// The only request of a session that something without a name can belong to, if there is just one.
    pub(super) fn only(&self, session: &Route) -> Option<u64> {
        let mut wanted = self.wanted(session);
        let first = wanted.next()?;
        wanted.next().is_none().then_some(first)
    }

    /// The request of a session that has waited longest.
    pub(super) fn oldest(&self, session: &Route) -> Option<u64> {
        self.wanted(session).next()
    }

    /// These are on their way to the backend.
    pub(super) fn written(&mut self, wires: &[u64]) {
        for wire in wires {
            if let Some(flight) = self.flights.get_mut(wire) {
                flight.pending.written();
            }
        }
    }

    /// Those whose deadline has come.
    pub(super) fn expired(&self, now: Instant) -> Vec<u64> {
        let due = self.flights.iter().filter(|(_, flight)| flight.pending.deadline() <= now);
        due.map(|(wire, _)| *wire).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.flights.values().map(|flight| flight.pending.deadline()).min()
    }

    /// All of them, in order of sending: those the backend may have seen, and those it cannot have.
    pub(super) fn take(&mut self) -> (Vec<Flight>, Vec<Pending>) {
        self.by_session.clear();
        self.listening = 0;
        let all = std::mem::take(&mut self.flights).into_values();
        let (seen, unseen): (Vec<_>, Vec<_>) =
            all.partition(|flight| flight.pending.stage() == Stage::Written);
        (seen, unseen.into_iter().map(|flight| flight.pending).collect())
    }

    fn wanted(&self, session: &Route) -> impl Iterator<Item = u64> {
        let session = session.session();
        let wanted = move |flight: &Flight| {
            !flight.cancelled && !flight.listens && flight.pending.route().session() == session
        };
        self.flights.iter().filter(move |(_, flight)| wanted(flight)).map(|(wire, _)| *wire)
    }
}

/// The same value, even if a backend wrote it with other escapes.
fn same_json(one: &[u8], other: &[u8]) -> bool {
    let parse = |raw| serde_json::from_slice::<serde_json::Value>(raw).ok();
    one == other || parse(one).is_some_and(|value| parse(other) == Some(value))
}
