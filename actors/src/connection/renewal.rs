//! The upstream no longer knows its session: nobody's fault, and no request need be lost for it.
//!
//! What it refuses for that (404) it has not carried out, so all such requests go to the next incarnation. Requests
//! under way together are refused one after the other; so the others get a moment for their own verdict, during
//! which the next incarnation is asked for already, and waits for the end of this one.
//!
//! One that forgets every session at once (a balancer that sends each request elsewhere, say) is no better for being
//! asked for more of them, and counts as one that cannot be reached.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::{ConnectionMsg, ConnectionState, Life, Loss};
use crate::fault::{Fault, FaultReason};
use crate::pending::Pending;
use crate::supervisor::SupervisorMsg;
use crate::timer::Timer;

/// So long may other requests in flight be answered, or refused too, before their outcome counts as unknown.
const VERDICTS: Duration = Duration::from_secs(1);

/// A session that lived so long was one.
const STEADY: Duration = Duration::from_secs(10);

impl ConnectionState {
    /// The upstream no longer knows its session; `request` was refused for it.
    pub(super) fn session_lost(&mut self, request: Option<u64>) {
        if request.is_some_and(|wire| self.liveness.settle(wire)) {
            // As with a link that a ping finds broken; and it was the upstream that said so.
            return self.liveness.heard(Instant::now());
        }
        let useless = matches!(self.life, Life::Ready) && self.is_useless();
        match self.life {
            Life::Ready if useless => {}
            Life::Ready => self.renew(),
            // One that retires has no successor to send anything to.
            Life::Renewing | Life::Retiring { .. } => {}
            _ => {
                let text = "the upstream lost its session while it was being made";
                return self.broken(Fault::new(FaultReason::HttpConnect, text));
            }
        }
        let mut again = None;
        if let Some(mut flight) = request.and_then(|wire| self.in_flight.remove(wire)) {
            if flight.cancelled {
                self.cancelled(flight);
            } else if !matches!(self.life, Life::Retiring { .. }) && flight.pending.renew() {
                again = Some(flight.pending);
            } else {
                // Refused by the session before as well, it is not in want of a session.
                self.record(&flight, "backend_lost");
                self.lose(flight, &lost_session());
            }
        }
        if useless {
            let text = "the upstream does not know the sessions that it gives out (HTTP 404)";
            self.broken(Fault::new(FaultReason::HttpConnect, text));
        }
        // The Supervisor knows by now that this is over: it would come straight back here.
        if let Some(pending) = again {
            self.put_back(pending);
        }
        self.advance();
    }

    /// The second session in a row that was forgotten soon, and before anything was answered in it.
    fn is_useless(&self) -> bool {
        let place = self.route.place();
        let forgotten = &place.forgotten;
        if self.served || self.since.elapsed() >= STEADY {
            forgotten.store(0, Relaxed);
            return false;
        }
        forgotten.fetch_add(1, Relaxed) > 0
    }

    fn renew(&mut self) {
        self.life = Life::Renewing;
        self.session_over();
        self.route.memory_lost(Loss::Upstream);
        self.end_session();
        self.tell(SupervisorMsg::Renew { incarnation: self.incarnation });
        // After that, or they would come straight back here.
        self.give_back(Vec::new());
        let until = Instant::now() + VERDICTS;
        self.timer = Some(Timer::at(until, self.myself.clone(), ConnectionMsg::GraceOver));
    }

    /// To the Supervisor, who keeps it for the next incarnation: there a cancel or its deadline finds it.
    pub(super) fn put_back(&mut self, pending: Pending) {
        self.tell(SupervisorMsg::Request(pending));
    }

    /// Ends a renewal once every request has had its verdict.
    pub(super) fn finish_renewal_if_idle(&mut self) {
        if matches!(self.life, Life::Renewing) && self.in_flight.is_empty() {
            self.finish_renewal();
        }
    }

    /// What is still in flight may or may not have been carried out in the session that is gone.
    pub(super) fn finish_renewal(&mut self) {
        let (seen, mut unseen) = self.in_flight.take();
        unseen.extend(self.answer_lost(seen, &self.lost_alone(&lost_session())));
        self.life = Life::Over;
        self.timer = None;
        self.link = None;
        self.forget_questions();
        self.give_back(unseen);
        if self.gone {
            self.conclude();
        }
    }
}

fn lost_session() -> Arc<Fault> {
    Arc::new(Fault::new(FaultReason::HttpStatus, "the upstream lost its session (HTTP 404)"))
}
