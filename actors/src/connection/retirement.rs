//! The end of an incarnation in order: what is in flight may finish, within its time.

use std::sync::Arc;

use tokio::time::Instant;

use super::{ConnectionState, Life, Loss};
use crate::error::Refusal;
use crate::event::EventKind;
use crate::fault::{Fault, FaultReason};
use crate::janitor::{self, Seen};
use crate::metadata::Phase;
use crate::supervisor::{Retire, SupervisorMsg, Waiting};

impl ConnectionState {
    pub(super) fn retire(&mut self, cause: Retire, by: Instant) {
        match self.life {
            Life::Ready | Life::Retiring { .. } => {}
            Life::Opening | Life::Shaking(_) | Life::Doubting(_) => return self.kill(),
            Life::Renewing | Life::Closing | Life::Dying { .. } | Life::Over => return,
        }
        if cause == Retire::Evict {
            return self.evict();
        }
        match cause {
            Retire::Restart => self.route.memory_lost(Loss::Restart),
            Retire::Stop => self.route.memory_lost(Loss::Stop),
            Retire::Limit => self.route.memory_lost(Loss::Limit),
            Retire::Drain | Retire::Delete(_) | Retire::Evict => {}
        }
        self.life = Life::Retiring { cause, by };
        if cause == Retire::Restart {
            self.give_back(Vec::new());
            self.route.place().usage.set_in_flight(self.in_flight.len());
        }
        self.end_listening(cause);
        if by <= Instant::now() {
            return self.cut_retirement();
        }
        self.wake_at(by);
        self.finish_retirement();
    }

    /// Closes, unless it was used since the janitor looked. A question that has waited at the client for so
    /// long is no use: perhaps nobody is there any more.
    fn evict(&mut self) {
        let busy = !self.in_flight.is_empty() || !self.queue.is_empty();
        let seen = Seen { busy, ..Seen::of(&self.route, Phase::Ready, Instant::now()) };
        if !janitor::due(seen, &self.backend) {
            return self.tell(SupervisorMsg::EvictRefused { incarnation: self.incarnation });
        }
        self.events.emit(self.event(EventKind::Evicted, "nobody used it").because("idle"));
        self.metrics.evicted();
        self.route.memory_lost(Loss::Idle);
        if self.end_session() {
            self.tell(SupervisorMsg::SessionIdle { incarnation: self.incarnation });
        }
        self.close();
    }

    /// The backend speaks for itself. To a client with subscriptions that is what they are for.
    pub(super) fn heard(&self) {
        if !self.route.record().subscriptions.is_empty() {
            self.route.place().usage.touch(Instant::now());
        }
    }

    /// Closes a retiring connection once nothing is left to do.
    pub(super) fn finish_retirement(&mut self) {
        if matches!(self.life, Life::Retiring { .. }) && self.in_flight.is_empty() && self.queue.is_empty() {
            self.close();
        }
    }

    /// Its time is over: what is still in flight is cancelled there and answered here.
    pub(super) fn cut_retirement(&mut self) {
        let Life::Retiring { cause, .. } = self.life else { return };
        let refusal = self.retired(cause);
        let wires: Vec<u64> = self.in_flight.wires().collect();
        for wire in wires {
            self.cancel_at_backend(wire, "the connection is being closed");
        }
        let (seen, unseen) = self.in_flight.take();
        seen.iter().for_each(|flight| self.record(flight, refusal.kind()));
        for pending in seen.into_iter().map(|flight| flight.pending).chain(unseen) {
            pending.refuse(refusal.clone());
        }
        for item in self.queue.take() {
            if let Waiting::Request(pending) = item {
                pending.refuse(refusal.clone());
            }
        }
        self.close();
    }

    /// Who listens would do so to the deadline, in vain.
    fn end_listening(&mut self, cause: Retire) {
        let refusal = self.retired(cause);
        for (wire, flight) in self.in_flight.take_listening() {
            self.cancel_at_backend(wire, "the connection is being closed");
            flight.pending.refuse(refusal.clone());
        }
    }

    /// What is told to who waited for the connection in vain.
    fn retired(&self, cause: Retire) -> Refusal {
        let backend = self.route.key().backend_id.clone();
        match cause {
            Retire::Delete(cause) => Refusal::SessionEnded { backend, cause },
            Retire::Stop => Refusal::stopped_by_operator(backend),
            Retire::Drain | Retire::Evict => Refusal::ShuttingDown { backend, close: false },
            Retire::Limit => {
                let text = "it was stopped at its error limit before it had answered";
                self.lost(&Arc::new(Fault::new(FaultReason::External, text)))
            }
            Retire::Restart => {
                let text = match self.route.loss().as_deref() {
                    Some(Loss::Reload) => "it was replaced by a reload before it had answered",
                    _ => "it was restarted by hand before it had answered",
                };
                self.lost(&Arc::new(Fault::new(FaultReason::Exit, text)))
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.life = Life::Closing;
        self.session_over();
        self.tick = None;
        self.forget_questions();
        let place = self.route.place();
        let usage = &place.usage;
        usage.set_in_flight(0);
        usage.set_queued(0);
        self.close_link();
    }

    pub(super) fn close_link(&mut self) {
        if let Some(link) = &mut self.link {
            link.close();
        }
    }

    /// Given up: before it served anybody, or because the time for an end in order is over.
    pub(super) fn kill(&mut self) {
        if matches!(self.life, Life::Renewing) {
            return self.finish_renewal();
        }
        self.cut_retirement();
        self.life = Life::Over;
        self.session_over();
        self.timer = None;
        if let Some(link) = &mut self.link {
            link.kill();
        }
        self.link = None;
        let (seen, unseen) = self.in_flight.take();
        let fault = Arc::new(Fault::new(FaultReason::Exit, "it was given up"));
        for flight in seen {
            self.record(&flight, "backend_lost");
            flight.pending.refuse(self.lost(&fault));
        }
        self.give_back(unseen);
        // It was dying by itself, and nothing else will say so.
        if self.gone {
            self.conclude();
        }
    }
}
