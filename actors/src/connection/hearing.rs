//! One connection for many sessions: what each of them hears (`protocol.md`, "Whose is it?").
//!
//! Nothing is guessed between sessions: what cannot be attributed is refused to the backend, or dropped.

use super::ConnectionState;
use super::sharing;
use crate::message::{Envelope, LogLevel};
use crate::route::{Route, SessionEvent};

/// Whom a message of the backend concerns that names no request.
pub(super) enum Whose {
    /// This session.
    One(Route),
    /// No request that anybody waits for.
    Nobodys,
    /// One of several sessions; it cannot be told which.
    Unknown,
}

impl ConnectionState {
    /// Whom a message that names no request concerns. `via`: the request whose stream carried it.
    pub(super) fn whose_session(&self, via: Option<u64>) -> Whose {
        if self.shared.is_none() {
            return Whose::One(self.route.clone());
        }
        if let Some(wire) = via {
            // What its stream still says after the answer is its own too, and its session no longer known.
            let flight = self.in_flight.get(wire);
            return flight.map_or(Whose::Unknown, |flight| Whose::One(flight.pending.route().clone()));
        }
        // An upstream says on its standalone stream what belongs to no request.
        let tells = self.link.as_ref().is_some_and(|link| link.tells_requests_apart());
        match self.in_flight.only_session() {
            Some(session) if !tells => Whose::One(session.clone()),
            None if !tells && self.in_flight.at_work() > 0 => Whose::Unknown,
            _ => match &self.route.place().members.all()[..] {
                [only] => Whose::One(only.clone()),
                _ => Whose::Nobodys,
            },
        }
    }

    /// A notification of the backend that names no request, on a connection of many.
    pub(super) fn tell_sessions(&mut self, message: &Envelope, via: Option<u64>) {
        let method = message.method().unwrap_or_default();
        if method == "notifications/resources/updated" {
            return self.tell_subscribers(message);
        }
        if method.ends_with("/list_changed") {
            self.route.deliver(SessionEvent::Message(message.bytes().clone()));
            return;
        }
        let is_log = method == "notifications/message";
        let level = if is_log { LogLevel::in_params(message.params()) } else { None };
        let hears = |state: &Self, session: &Route| {
            let levels = state.shared.as_ref().map(|shared| &shared.levels);
            !is_log || levels.is_none_or(|levels| levels.hears(session.session(), level))
        };
        match self.whose_session(via) {
            Whose::One(session) if hears(self, &session) => self.tell_one(&session, message, via),
            Whose::One(_) => {}
            Whose::Nobodys if self.is_of_one_principal() => {
                for session in self.route.listeners().into_iter().filter(|session| hears(self, session)) {
                    session.deliver(SessionEvent::Message(message.bytes().clone()));
                }
            }
            Whose::Nobodys | Whose::Unknown => {
                tracing::debug!(backend = %self.route.key().backend_id, method, "a notification was dropped: it may be of any of several sessions");
            }
        }
    }

    fn tell_one(&mut self, session: &Route, message: &Envelope, via: Option<u64>) {
        let bytes = message.bytes().clone();
        if !self.whose(session, via, false).is_some_and(|wire| self.precede(wire, bytes.clone())) {
            session.tell(SessionEvent::Message(bytes));
        }
    }

    /// A backend may write an address in another way than its clients did: then it is for all who subscribed to
    /// anything, as long as they are the same principal.
    fn tell_subscribers(&self, message: &Envelope) {
        let (Some(uri), Some(shared)) = (sharing::uri(message.params()), &self.shared) else { return };
        let sessions = self.route.listeners();
        let hears = |session: &&Route| shared.subscriptions.hears(&uri, session.session());
        let known = sessions.iter().any(|session| hears(&session));
        let anybody = !known && self.is_of_one_principal();
        for session in &sessions {
            if hears(&session) || (anybody && shared.subscriptions.has_any(session.session())) {
                session.deliver(SessionEvent::Message(message.bytes().clone()));
            }
        }
    }

    /// Whether nothing that the backend says can reach a stranger.
    fn is_of_one_principal(&self) -> bool {
        let mut principals =
            self.route.listeners().into_iter().map(|session| session.record().principal.clone());
        let first = principals.next();
        principals.all(|principal| Some(principal) == first)
    }
}
