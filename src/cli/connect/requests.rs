//! The client's requests that have no answer yet, and a few of our own. Pure.
//!
//! Towards the service each has a number as its id; the answer gets the client's back.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use mcpvisor_actors::Era;
use mcpvisor_actors::message::Envelope;
use tokio::time::Instant;

/// How long a request may wait for a service that is not there.
const HOLD: Duration = Duration::from_secs(30);

/// Whom the answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The client.
    Client,
    /// The `initialize` of a session that follows another.
    Session,
    /// Nobody: told again to a new session.
    Nobody,
}

/// One request.
pub(super) struct Request {
    /// As the client sent it.
    pub(super) message: Envelope,
    pub(super) era: Era,
    pub(super) answers: For,
    /// The service may have seen it.
    pub(super) sent: bool,
    /// The client has taken it back; what the service is told of that, as long as it cannot be told.
    pub(super) cancelled: Option<Option<Bytes>>,
    held: Option<Held>,
}

#[derive(Clone, Copy)]
struct Held {
    until: Instant,
    /// `None`: as soon as there is a session.
    retry: Option<Instant>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Requests {
    last: u64,
    by_wire: HashMap<u64, Request>,
    /// The client's ids, raw JSON.
    by_id: HashMap<Bytes, u64>,
}

impl Request {
    /// The client's id, raw JSON.
    pub(super) fn id(&self) -> &[u8] {
        self.message.id().unwrap_or(b"null")
    }

    /// Whether the client waits for its answer.
    pub(super) fn is_wanted(&self) -> bool {
        self.answers == For::Client && self.cancelled.is_none()
    }

    /// Whether it lasts until one of both sides has enough.
    pub(super) fn listens(&self) -> bool {
        self.era == Era::Modern && self.message.method() == Some("subscriptions/listen")
    }
}

impl Requests {
    /// Takes a request; its number. `None`: the client has one of that id in flight.
    pub(super) fn add(&mut self, message: Envelope, era: Era, answers: For) -> Option<u64> {
        let wire = self.last + 1;
        if answers == For::Client {
            let id = message.id_bytes().unwrap_or_default();
            if self.by_id.contains_key(&id) {
                return None;
            }
            self.by_id.insert(id, wire);
        }
        self.last = wire;
        let (sent, cancelled, held) = (false, None, None);
        self.by_wire.insert(wire, Request { message, era, answers, sent, cancelled, held });
        Some(wire)
    }

    pub(super) fn get(&self, wire: u64) -> Option<&Request> {
        self.by_wire.get(&wire)
    }

    pub(super) fn get_mut(&mut self, wire: u64) -> Option<&mut Request> {
        self.by_wire.get_mut(&wire)
    }

    /// By the client's id.
    pub(super) fn find(&self, id: &[u8]) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    pub(super) fn remove(&mut self, wire: u64) -> Option<Request> {
        let request = self.by_wire.remove(&wire)?;
        if request.answers == For::Client {
            self.by_id.remove(request.id());
        }
        Some(request)
    }

    /// It was not sent, or certainly not executed: it waits until it can be, but not for ever.
    pub(super) fn hold(&mut self, wire: u64, now: Instant, wait: Option<Duration>) {
        if let Some(request) = self.by_wire.get_mut(&wire) {
            let until = request.held.map_or(now + HOLD, |held| held.until);
            request.held = Some(Held { until, retry: wait.map(|wait| now + wait) });
            request.sent = false;
        }
    }

    /// Those whose time has come; `open`: there is a session.
    pub(super) fn due(&mut self, now: Instant, open: bool) -> Vec<u64> {
        let is_due = |request: &Request| {
            let held = request.held?;
            // It is what makes the session.
            let begins = request.answers == For::Client && request.message.method() == Some("initialize");
            (open || begins || request.era == Era::Modern).then_some(())?;
            held.retry.is_none_or(|retry| retry <= now).then_some(())
        };
        let mut due: Vec<u64> =
            self.by_wire.iter().filter(|(_, one)| is_due(one).is_some()).map(|(wire, _)| *wire).collect();
        due.sort_unstable();
        for wire in &due {
            if let Some(Request { held: Some(held), .. }) = self.by_wire.get_mut(wire) {
                held.retry = Some(held.until);
            }
        }
        due
    }

    /// Those that have waited too long.
    pub(super) fn expired(&self, now: Instant) -> Vec<u64> {
        let late = |one: &Request| !one.sent && one.held.is_some_and(|held| held.until <= now);
        self.by_wire.iter().filter(|(_, one)| late(one)).map(|(wire, _)| *wire).collect()
    }

    /// When one of both has something to do next.
    pub(super) fn next(&self) -> Option<Instant> {
        let when = |held: Held| held.retry.map_or(held.until, |retry| retry.min(held.until));
        self.by_wire.values().filter(|one| !one.sent).filter_map(|one| one.held).map(when).min()
    }

    /// The numbers of those that are so.
    pub(super) fn that(&self, are: impl Fn(&Request) -> bool) -> Vec<u64> {
        let mut found: Vec<u64> =
            self.by_wire.iter().filter(|(_, one)| are(one)).map(|(wire, _)| *wire).collect();
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str) -> Envelope {
        Envelope::parse(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#).into()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_tried_again_and_given_up_in_the_end() {
        let (mut requests, now) = (Requests::default(), Instant::now());
        let wire = requests.add(request("\"a\""), Era::Modern, For::Client).unwrap();
        requests.hold(wire, now, Some(Duration::from_secs(1)));
        assert_eq!(requests.due(now, false), [0; 0]);
        let later = now + Duration::from_secs(1);
        assert_eq!(requests.next(), Some(later));
        assert_eq!(requests.due(later, false), [wire]);
        assert_eq!(requests.due(later, false), [0; 0], "it is on its way");
        requests.hold(wire, later, Some(Duration::from_secs(60)));
        assert_eq!(requests.expired(now + HOLD), [wire], "the first refusal counts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_of_a_session_waits_for_the_session() {
        let (mut requests, now) = (Requests::default(), Instant::now());
        let wire = requests.add(request("1"), Era::Legacy, For::Client).unwrap();
        requests.hold(wire, now, None);
        assert_eq!(requests.due(now, false), [0; 0]);
        assert_eq!(requests.due(now, true), [wire]);
    }

    #[test]
    fn ids_of_another_type_are_other_ids() {
        let mut requests = Requests::default();
        let one = requests.add(request("1"), Era::Legacy, For::Client).unwrap();
        let other = requests.add(request("\"1\""), Era::Legacy, For::Client).unwrap();
        assert_ne!(one, other);
        assert!(requests.add(request("1"), Era::Legacy, For::Client).is_none());
        requests.remove(one);
        assert!(requests.add(request("1"), Era::Legacy, For::Client).is_some());
    }
}
