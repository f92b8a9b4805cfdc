//! What goes wrong with one request, or with the session of an upstream, while nobody is at fault here.

use std::sync::Arc;

use tokio::time::Instant;

use super::{ConnectionState, Life, Loss};
use crate::error::{Overload, Refusal};
use crate::fault::{Fault, FaultReason};
use crate::link::RequestFailure;
use crate::supervisor::SupervisorMsg;

impl ConnectionState {
    /// One request failed on its way, the link lives.
    pub(super) fn failed(&mut self, request: u64, failure: RequestFailure) {
        if self.liveness.settle(request) {
            // Whoever refuses a ping is there; what comes of a server error may be a proxy's word.
            if matches!(failure, RequestFailure::Refused(_) | RequestFailure::Busy { .. }) {
                self.liveness.heard(Instant::now());
            }
            return;
        }
        if let Life::Shaking(handshake) = &mut self.life {
            if handshake.waiting == Some(request) {
                if handshake.answer.is_some() {
                    return self.step_over(false);
                }
                let fault = match failure {
                    RequestFailure::Counted(fault) | RequestFailure::Refused(fault) => fault,
                    RequestFailure::Busy { .. } => {
                        Fault::new(FaultReason::HttpStatus, "HTTP 429 to initialize")
                    }
                };
                self.broken(Fault { reason: FaultReason::HttpConnect, ..fault });
            }
            return;
        }
        let Some(mut flight) = self.in_flight.remove(request) else { return };
        self.record(&flight, "http_status");
        match failure {
            RequestFailure::Counted(fault) if self.is_safe(&flight.pending) && flight.pending.retry() => {
                tracing::debug!(backend = %self.route.key().backend_id, %fault, "a safe request is sent once more");
                self.transmit(flight.pending);
            }
            RequestFailure::Counted(fault) => {
                if !std::mem::replace(&mut self.status_counted, true) {
                    self.tell(SupervisorMsg::Survived { fault: fault.clone() });
                }
                flight.pending.refuse(self.lost(&Arc::new(fault)));
            }
            RequestFailure::Refused(fault) => flight.pending.refuse(self.lost(&Arc::new(fault))),
            RequestFailure::Busy { retry_after } => {
                let backend = self.route.key().backend_id.clone();
                flight.pending.refuse(Refusal::Overloaded { backend, what: Overload::Rate, retry_after });
            }
        }
        self.advance();
    }

    /// A request found the link broken. If only a ping did, what is in flight may still be answered, and the
    /// next request finds it too.
    pub(super) fn broken_for(&mut self, request: u64, fault: Fault) {
        if !self.liveness.settle(request) {
            self.broken(fault);
        }
    }

    /// The upstream no longer knows its session: nothing was carried out. A new one, and the replay.
    pub(super) fn session_lost(&mut self, request: Option<u64>) {
        if request.is_some_and(|wire| self.liveness.settle(wire)) {
            // As with a link that a ping finds broken; and it was the upstream that said so.
            return self.liveness.heard(Instant::now());
        }
        if !matches!(self.life, Life::Ready) {
            let text = "the upstream lost its session while it was being made";
            return self.broken(Fault::new(FaultReason::HttpConnect, text));
        }
        self.life = Life::Over;
        self.link = None;
        let refused = request.and_then(|wire| self.in_flight.remove(wire));
        let (mut seen, mut unseen) = self.in_flight.take();
        if let Some(mut flight) = refused {
            // One that the session before had refused as well is not in want of a session.
            match flight.pending.renew() {
                true => unseen.push(flight.pending),
                false => seen.push(flight),
            }
        }
        self.route.memory_lost(Loss::Upstream);
        self.end_session();
        let fault = Arc::new(Fault::new(FaultReason::HttpStatus, "the upstream lost its session (HTTP 404)"));
        unseen.extend(self.answer_lost(seen, &fault));
        self.forget_questions();
        self.tell(SupervisorMsg::Renew { incarnation: self.incarnation });
        self.give_back(unseen);
    }
}
