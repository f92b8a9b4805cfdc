//! What goes wrong with one request while the link lives on.

use std::sync::Arc;

use tokio::time::Instant;

use super::doubt::Outcome;
use super::in_flight::Flight;
use super::{ConnectionState, Life};
use crate::error::{Overload, Refusal};
use crate::event::{EventKind, SupervisionEvent};
use crate::fault::{Fault, FaultReason};
use crate::link::RequestFailure;
use crate::supervisor::SupervisorMsg;

impl ConnectionState {
    /// One request failed on its way, the link lives.
    pub(super) fn failed(&mut self, request: u64, failure: RequestFailure) {
        if self.liveness.settle(request) {
            // Whoever refuses a ping is there; what comes of a server error may be a proxy's word.
            if !matches!(failure, RequestFailure::Counted(_)) {
                self.liveness.heard(Instant::now());
            }
            return;
        }
        if let Life::Shaking(handshake) = &mut self.life {
            if handshake.waiting == Some(request) {
                if handshake.answer.is_some() {
                    return self.step_over(false);
                }
                let refused = failure.is_refusal();
                let fault = match failure {
                    RequestFailure::Counted(fault) | RequestFailure::Refused(fault) => fault,
                    RequestFailure::Busy { .. } => {
                        Fault::new(FaultReason::HttpStatus, "HTTP 429 to initialize")
                    }
                    RequestFailure::Unauthorized(challenge) => Fault::unauthorized(challenge),
                };
                let fault = Fault { reason: FaultReason::HttpConnect, ..fault };
                if refused && self.doubtful {
                    return self.doubt(Outcome::Failed(fault));
                }
                self.broken(fault);
            }
            return;
        }
        let Some(flight) = self.in_flight.remove(request) else { return };
        // Who heeds a cancel may end its stream without an answer.
        if flight.cancelled {
            self.cancelled(flight);
            return self.advance();
        }
        self.record(&flight, "http_status");
        match failure {
            RequestFailure::Counted(fault) => {
                self.count(&fault);
                self.send_again_or_lose(flight, &Arc::new(fault));
            }
            RequestFailure::Refused(fault) => self.lose(flight, &Arc::new(fault)),
            RequestFailure::Unauthorized(challenge) => {
                let backend = self.route.key().backend_id.clone();
                flight.pending.refuse(Refusal::Unauthorized { backend, challenge: challenge.into() });
            }
            RequestFailure::Busy { retry_after } => {
                let backend = self.route.key().backend_id.clone();
                let (what, most) = (Overload::Upstream, None);
                flight.pending.refuse(Refusal::Overloaded { backend, what, most, retry_after });
            }
        }
        self.advance();
    }

    /// What happened to this incarnation.
    pub(super) fn event(&self, kind: EventKind, detail: impl Into<String>) -> SupervisionEvent {
        SupervisionEvent::of(kind, self.route.key(), detail).incarnation(Some(self.incarnation), self.pid)
    }

    /// A failed POST counts, but only once: an upstream that answers every request with 500 is no better after as many
    /// restarts.
    fn count(&mut self, fault: &Fault) {
        if self.status_counted.is_some() {
            return;
        }
        // Before the Supervisor hears of it, who publishes the count.
        self.status_counted = Some(self.route.limits().0 + 1);
        let text = format!("{}; further ones of this connection are not counted", fault.detail);
        self.events.emit(self.event(EventKind::RequestFailed, text).because(fault.reason.as_str()));
        self.tell(SupervisorMsg::Survived { fault: fault.clone() });
    }

    fn send_again_or_lose(&mut self, mut flight: Flight, fault: &Arc<Fault>) {
        if !self.is_safe(&flight.pending) || !flight.pending.retry() {
            return self.lose(flight, fault);
        }
        tracing::debug!(backend = %self.route.key().backend_id, %fault, "a safe request is sent once more");
        match self.life {
            Life::Renewing => self.put_back(flight.pending),
            _ => self.transmit(flight.pending),
        }
    }

    /// Answered as lost while the connection lives on.
    pub(super) fn lose(&mut self, flight: Flight, fault: &Arc<Fault>) {
        flight.pending.refuse(self.lost_alone(fault));
    }

    /// Unlike at the end of a connection, the count is not one more for it.
    pub(super) fn lost_alone(&self, fault: &Arc<Fault>) -> Refusal {
        let (published, max_error_count) = self.route.limits();
        Refusal::BackendLost {
            backend: self.route.key().backend_id.clone(),
            fault: fault.clone(),
            retryable: false,
            error_count: published.max(self.status_counted.unwrap_or(0)),
            max_error_count,
        }
    }

    pub(super) fn cancelled(&self, flight: Flight) {
        self.record(&flight, "cancelled");
        flight.pending.refuse(Refusal::Cancelled);
    }

    /// A request found the link broken. If only a ping did, what is in flight may still be answered, and the
    /// next request finds it too.
    pub(super) fn broken_for(&mut self, request: u64, fault: Fault) {
        if !self.liveness.settle(request) {
            self.broken(fault);
        }
    }
}
