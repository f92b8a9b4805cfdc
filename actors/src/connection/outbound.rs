//! From the client to the backend.

use tokio::time::Instant;

use super::in_flight::Flight;
use super::{ConnectionState, Life};
use crate::era::Era;
use crate::error::{Overload, Refusal};
use crate::link::Sent;
use crate::message::{Envelope, cancelled_request_id, notification, request_progress_token};
use crate::pending::Pending;
use crate::route::{Notice, Route};
use crate::supervisor::{SupervisorMsg, Waiting};

/// How long a cancelled request may still be answered before its stream is closed without an answer.
const CANCEL_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Longer than any service runs.
const NEVER: std::time::Duration = std::time::Duration::from_secs(100 * 365 * 24 * 3600);

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
        // It may have left this connection a moment ago, and would come back to it for good.
        if let Some(cause) = pending.route().ended() {
            let backend = self.route.key().backend_id.clone();
            return pending.refuse(Refusal::SessionEnded { backend, cause });
        }
        let (route, id) = (pending.route(), pending.id());
        if self.in_flight.by_client_id(route, id).is_some() || self.queue.contains(route, id) {
            let id = String::from_utf8_lossy(pending.id()).into_owned();
            let message =
                format!("a request with id {id} is already in flight in this session; ids must be unique");
            return pending.refuse(Refusal::Invalid { code: -32600, message });
        }
        let session = route.session();
        let full = self.in_flight.at_work() >= self.most_in_flight()
            || self.in_flight.of(session) >= self.backend.limits.max_in_flight;
        if full || self.queue.of(session) > 0 {
            return self.enqueue(pending);
        }
        self.transmit(pending);
    }

    /// On the link, whoever they belong to.
    fn most_in_flight(&self) -> usize {
        let limits = &self.backend.limits;
        if self.shared.is_some() { limits.max_in_flight_total } else { limits.max_in_flight }
    }

    fn enqueue(&mut self, mut pending: Pending) {
        if self.queue.of(pending.route().session()) >= self.backend.limits.max_queued {
            return pending.refuse(self.overloaded());
        }
        self.wake_at(pending.deadline());
        pending.wait(Instant::now());
        self.queue.push(Waiting::Request(pending));
        self.route.place().usage.set_queued(self.queue.len());
    }

    pub(super) fn transmit(&mut self, pending: Pending) {
        let wire = self.next_id();
        let Some((mut pending, message)) = self.for_the_wire(pending, wire) else { return };
        let token = request_progress_token(pending.message()).map(bytes::Bytes::copy_from_slice);
        let bytes = message.len();
        let sent = self.in_the_name_of(pending.message(), |this| {
            this.link.as_mut().map_or(Sent::Queued, |link| link.send(message, Some(wire)))
        });
        match sent {
            Sent::Written => pending.written(),
            Sent::Queued => {}
            Sent::Full => return pending.refuse(self.overloaded()),
        }
        let now = Instant::now();
        self.metrics.said(bytes);
        if let Some(since) = pending.waited_since() {
            self.metrics.waited(now.saturating_duration_since(since));
        }
        let method = pending.message().method();
        let listens = method == Some("subscriptions/listen");
        if listens || method == Some("tasks/result") {
            // These wait for what may never happen, and only their client knows how long.
            pending.restart(now + NEVER);
        }
        if self.in_flight.at_work() == 0 {
            self.liveness.wanted(now);
        }
        let deadline = pending.deadline();
        self.wake_at(self.liveness.due().map_or(deadline, |due| due.min(deadline)));
        self.in_flight.insert(wire, Flight { pending, since: now, token, cancelled: false, listens });
        self.route.place().usage.set_in_flight(self.in_flight.len());
    }

    /// Something ended: the next in the queue may go.
    pub(super) fn advance(&mut self) {
        let serving = matches!(self.life, Life::Ready | Life::Retiring { .. });
        let each = self.backend.limits.max_in_flight;
        while serving && self.in_flight.at_work() < self.most_in_flight() {
            let in_flight = &self.in_flight;
            match self.queue.next(|session| in_flight.of(session) < each) {
                Some(Waiting::Request(pending)) => self.transmit(pending),
                Some(Waiting::Notify(notice)) => self.notify(notice),
                None => break,
            }
        }
        let place = self.route.place();
        place.usage.set_queued(self.queue.len());
        place.usage.set_in_flight(self.in_flight.len());
        self.finish_retirement();
        self.finish_renewal_if_idle();
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        match self.life {
            Life::Ready | Life::Retiring { .. } => {}
            Life::Dying { .. } => {
                if self.queue.of(notice.route.session()) < self.backend.limits.max_queued {
                    self.queue.push(Waiting::Notify(notice));
                }
                return;
            }
            _ => return self.tell(SupervisorMsg::Notify(notice)),
        }
        let message = &notice.message;
        match message.method() {
            Some("notifications/cancelled") => self.cancel(&notice.route, message),
            Some(method) if self.shared.is_some() && !self.concerns_backend(method) => {}
            Some("notifications/initialized") if self.initialized => {}
            Some("notifications/initialized") => {
                self.in_the_name_of(message, |this| this.say_initialized(message.bytes().clone()));
            }
            _ => self.say_for(message, message.bytes().clone()),
        }
    }

    /// A cancel follows the path of its request. One that comes too late is nobody's any more.
    fn cancel(&mut self, session: &Route, message: &Envelope) {
        let Some(id) = cancelled_request_id(message) else { return };
        if let Some(pending) = self.queue.cancel(session, id) {
            pending.refuse(Refusal::Cancelled);
            return self.advance();
        }
        let Some(wire) = self.in_flight.by_client_id(session, id) else { return };
        if self.hangs_up() {
            self.abort(wire);
            if let Some(flight) = self.in_flight.remove(wire) {
                self.cancelled(flight);
            }
            return self.advance();
        }
        let rewritten = message.with_part(id, wire.to_string().as_bytes());
        self.say_for(message, rewritten);
        let until = Instant::now() + CANCEL_GRACE;
        if let Some(flight) = self.in_flight.get_mut(wire) {
            flight.cancelled = true;
            flight.pending.extend(until);
        }
        self.wake_at(until);
    }

    /// The client's answer to a request of the backend.
    pub(super) fn respond(&mut self, Notice { route, message }: &Notice) {
        let original = message.id().and_then(|id| self.asked.answered(route, id));
        // Not asked by this incarnation, or answered before: it has no reader.
        let Some(original) = original else { return };
        self.show_asked();
        self.say_for(message, message.with_id(&original));
    }

    /// Answers what has waited or flown to its deadline.
    pub(super) fn deadlines(&mut self) {
        self.tick = None;
        let now = Instant::now();
        for wire in self.in_flight.expired(now) {
            self.expire(wire, now);
        }
        for pending in self.queue.expired(now) {
            let max = pending.at_last_deadline();
            pending.refuse(Refusal::Timeout { backend: self.route.key().backend_id.clone(), max });
        }
        if let Life::Retiring { by, .. } = self.life {
            if by <= now {
                return self.cut_retirement();
            }
            self.wake_at(by);
        }
        // Before the queue moves up: what is given up gets nothing more.
        self.take_pulse(now);
        self.advance();
        let next = self.in_flight.next_deadline().into_iter().chain(self.queue.next_deadline()).min();
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
        self.settle(flight.pending.route(), flight.pending.message());
        if flight.cancelled {
            self.record(&flight, "cancelled");
            flight.pending.refuse(Refusal::Cancelled);
            return self.abort(wire);
        }
        self.record(&flight, "timeout");
        self.liveness.timed_out(now);
        let max = flight.pending.at_last_deadline();
        flight.pending.refuse(Refusal::Timeout { backend: self.route.key().backend_id.clone(), max });
        self.cancel_at_backend(wire, "timed out");
    }

    /// Tells the backend that nobody waits for this any more.
    pub(super) fn cancel_at_backend(&mut self, wire: u64, reason: &str) {
        if self.hangs_up() {
            return self.abort(wire);
        }
        let params = serde_json::json!({ "requestId": wire, "reason": reason });
        self.say(notification("notifications/cancelled", Some(params)), None);
        self.abort(wire);
    }

    /// Whether a request is taken back by closing its stream (2026-07-28, "Streamable HTTP", "Cancellation").
    fn hangs_up(&self) -> bool {
        self.era == Era::Modern && self.link.as_ref().is_some_and(|link| link.transport() == "tcp")
    }

    fn abort(&mut self, wire: u64) {
        if let Some(link) = &mut self.link {
            link.abort(wire);
        }
    }

    fn overloaded(&self) -> Refusal {
        Refusal::Overloaded {
            backend: self.route.key().backend_id.clone(),
            what: Overload::Queue,
            most: Some(self.backend.limits.max_queued as u64),
            retry_after: std::time::Duration::from_secs(1),
        }
    }
}
