//! From the client to the backend.

use tokio::time::Instant;

use super::in_flight::Flight;
use super::{ConnectionState, Life};
use crate::error::{Overload, Refusal};
use crate::link::Sent;
use crate::message::{Envelope, cancelled_request_id, notification, request_progress_token};
use crate::pending::Pending;
use crate::supervisor::{SupervisorMsg, Waiting};

/// How long a cancelled request may still be answered before its stream is closed without an answer.
const CANCEL_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

impl ConnectionState {
    pub(super) fn request(&mut self, pending: Pending) {
        match self.life {
            Life::Ready => self.admit(pending),
            // The Supervisor does not know yet; given back now, it would come straight back here.
            Life::Dying { .. } => self.enqueue(pending),
            _ => self.tell(SupervisorMsg::Request(pending)),
        }
    }

    fn admit(&mut self, pending: Pending) {
        if self.in_flight.by_client_id(pending.id()).is_some() || self.queued(pending.id()).is_some() {
            let id = String::from_utf8_lossy(pending.id()).into_owned();
            let message =
                format!("a request with id {id} is already in flight in this session; ids must be unique");
            return pending.refuse(Refusal::Invalid { code: -32600, message });
        }
        if self.in_flight.len() >= self.backend.limits.max_in_flight || !self.queue.is_empty() {
            return self.enqueue(pending);
        }
        self.transmit(pending);
    }

    fn enqueue(&mut self, pending: Pending) {
        if self.queue.len() >= self.backend.limits.max_queued {
            return pending.refuse(self.overloaded());
        }
        self.wake_at(pending.deadline());
        self.queue.push_back(Waiting::Request(pending));
        self.route.place().usage.set_queued(self.queue.len());
    }

    pub(super) fn transmit(&mut self, mut pending: Pending) {
        let wire = self.next_id();
        let mut digits = itoa::Buffer::new();
        let message = pending.message().with_id(digits.format(wire).as_bytes());
        let token = request_progress_token(pending.message()).map(bytes::Bytes::copy_from_slice);
        match self.link.as_mut().map_or(Sent::Queued, |link| link.send(message, Some(wire))) {
            Sent::Written => pending.written(),
            Sent::Queued => {}
            Sent::Full => return pending.refuse(self.overloaded()),
        }
        self.wake_at(pending.deadline());
        self.in_flight.insert(wire, Flight { pending, since: Instant::now(), token, cancelled: false });
        self.route.place().usage.set_in_flight(self.in_flight.len());
    }

    /// Something ended: the next in the queue may go.
    pub(super) fn advance(&mut self) {
        let serving = matches!(self.life, Life::Ready | Life::Retiring { .. });
        while serving && self.in_flight.len() < self.backend.limits.max_in_flight {
            match self.queue.pop_front() {
                Some(Waiting::Request(pending)) => self.transmit(pending),
                Some(Waiting::Notify(message)) => self.say(message.bytes().clone(), None),
                None => break,
            }
        }
        let usage = &self.route.place().usage;
        usage.set_queued(self.queue.len());
        usage.set_in_flight(self.in_flight.len());
        self.finish_retirement();
    }

    pub(super) fn notify(&mut self, message: Envelope) {
        match self.life {
            Life::Ready | Life::Retiring { .. } => {}
            Life::Dying { .. } => {
                if self.queue.len() < self.backend.limits.max_queued {
                    self.queue.push_back(Waiting::Notify(message));
                }
                return;
            }
            _ => return self.tell(SupervisorMsg::Notify(message)),
        }
        match message.method() {
            Some("notifications/cancelled") => self.cancel(&message),
            Some("notifications/initialized") if self.initialized => {}
            Some("notifications/initialized") => self.say_initialized(message.bytes().clone()),
            _ => self.say(message.bytes().clone(), None),
        }
    }

    /// A cancel follows the path of its request. One that comes too late is nobody's any more.
    fn cancel(&mut self, message: &Envelope) {
        let Some(id) = cancelled_request_id(message) else { return };
        if let Some(at) = self.queued(id) {
            if let Some(Waiting::Request(pending)) = self.queue.remove(at) {
                pending.refuse(Refusal::Cancelled);
            }
            return self.advance();
        }
        let Some(wire) = self.in_flight.by_client_id(id) else { return };
        let rewritten = message.with_part(id, wire.to_string().as_bytes());
        self.say(rewritten, None);
        let until = Instant::now() + CANCEL_GRACE;
        if let Some(flight) = self.in_flight.get_mut(wire) {
            flight.cancelled = true;
            flight.pending.extend(until);
        }
        self.wake_at(until);
    }

    /// The client's answer to a request of the backend.
    pub(super) fn respond(&mut self, message: &Envelope) {
        let original = message.id().and_then(|id| self.asked.answered(id));
        // Not asked by this incarnation, or answered before: it has no reader.
        let Some(original) = original else { return };
        self.say(message.with_id(&original), None);
    }

    /// Answers what has waited or flown to its deadline.
    pub(super) fn deadlines(&mut self) {
        self.tick = None;
        let now = Instant::now();
        for wire in self.in_flight.expired(now) {
            self.expire(wire, now);
        }
        self.expire_queued(now);
        if let Life::Retiring { by, .. } = self.life {
            if by <= now {
                return self.cut_retirement();
            }
            self.wake_at(by);
        }
        self.advance();
        let next = self.in_flight.next_deadline().into_iter().chain(self.queue_deadline()).min();
        if let Some(next) = next {
            self.wake_at(next.max(now));
        }
    }

    fn expire(&mut self, wire: u64, now: Instant) {
        let asking = self.asked.waits_for(wire);
        let Some(flight) = self.in_flight.get_mut(wire) else { return };
        if asking && !flight.cancelled {
            // The clock of a request stands while the client is being asked something for it.
            flight.pending.restart(now + self.backend.timeouts.request);
            return;
        }
        let Some(flight) = self.in_flight.remove(wire) else { return };
        if flight.cancelled {
            self.record(&flight, "cancelled");
            flight.pending.refuse(Refusal::Cancelled);
            return self.abort(wire);
        }
        self.record(&flight, "timeout");
        let max = flight.pending.at_last_deadline();
        flight.pending.refuse(Refusal::Timeout { backend: self.route.key().backend_id.clone(), max });
        self.cancel_at_backend(wire, "timed out");
    }

    fn expire_queued(&mut self, now: Instant) {
        let due = |item: &Waiting| matches!(item, Waiting::Request(pending) if pending.deadline() <= now);
        while let Some(at) = self.queue.iter().position(due) {
            if let Some(Waiting::Request(pending)) = self.queue.remove(at) {
                let max = pending.at_last_deadline();
                pending.refuse(Refusal::Timeout { backend: self.route.key().backend_id.clone(), max });
            }
        }
    }

    fn queue_deadline(&self) -> Option<Instant> {
        let requests = self.queue.iter().filter_map(|item| match item {
            Waiting::Request(pending) => Some(pending.deadline()),
            Waiting::Notify(_) => None,
        });
        requests.min()
    }

    /// Tells the backend that nobody waits for this any more.
    pub(super) fn cancel_at_backend(&mut self, wire: u64, reason: &str) {
        let params = serde_json::json!({ "requestId": wire, "reason": reason });
        self.say(notification("notifications/cancelled", Some(params)), None);
        self.abort(wire);
    }

    fn abort(&mut self, wire: u64) {
        if let Some(link) = &mut self.link {
            link.abort(wire);
        }
    }

    fn queued(&self, id: &[u8]) -> Option<usize> {
        self.queue.iter().position(|item| matches!(item, Waiting::Request(pending) if pending.id() == id))
    }

    fn overloaded(&self) -> Refusal {
        Refusal::Overloaded {
            backend: self.route.key().backend_id.clone(),
            what: Overload::Queue,
            retry_after: std::time::Duration::from_secs(1),
        }
    }
}
