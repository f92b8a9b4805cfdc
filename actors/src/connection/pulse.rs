//! Pings to a backend that owes an answer, and its end if it gives none.

use tokio::time::Instant;

use super::liveness::Beat;
use super::{ConnectionState, Life};
use crate::era::{self, Era};
use crate::fault::{Fault, FaultReason};
use crate::link::Sent;

impl ConnectionState {
    /// Looks after the backend; comes back by the timer that the deadlines have, and only while something is
    /// wanted of it.
    pub(super) fn take_pulse(&mut self, now: Instant) {
        if !matches!(self.life, Life::Ready | Life::Retiring { .. }) {
            return;
        }
        if self.asked.is_open(|wire| self.in_flight.contains(wire)) {
            self.liveness.excuse(now);
        }
        match self.liveness.beat(now, self.in_flight.at_work() > 0) {
            Beat::Rest => {}
            Beat::Wait(until) => self.wake_at(until),
            Beat::Ping(next) => {
                self.ping();
                self.wake_at(next);
            }
            Beat::Unresponsive => {
                let timeouts = &self.backend.timeouts;
                let text = format!(
                    "a request timed out, and in {} pings, one every {:?}, it said nothing (timeouts.missed_pings)",
                    timeouts.missed_pings, timeouts.heartbeat
                );
                self.broken(Fault::new(FaultReason::Unresponsive, text));
            }
        }
    }

    /// No client knows of it, and it takes nobody's place: it is not in flight as a request is.
    fn ping(&mut self) {
        let wire = self.next_id();
        let message = match self.era {
            Era::Legacy => format!(r#"{{"jsonrpc":"2.0","id":{wire},"method":"ping"}}"#).into(),
            // The era has no ping, but a request that every server must answer.
            Era::Modern => era::discover(&wire.into(), &self.backend),
        };
        // A link that is full has its own deadline.
        if self.link.as_mut().is_some_and(|link| link.send(message, Some(wire)) != Sent::Full) {
            self.liveness.pinged(wire);
        }
    }
}
