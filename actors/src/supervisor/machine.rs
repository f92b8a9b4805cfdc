//! The phases of one key, as a pure state machine: an event and the time go in, effects come out.
//!
//! The table is that of `supervision.md` (phase x event). Nothing here knows processes or messages.

mod ending;
mod event;

use std::time::Duration;

use mcpvisor_config::{Backoff, Pool};
use tokio::time::Instant;

use super::budget::{Budget, Verdict};
use crate::fault::Fault;
use crate::metadata::Phase;
pub(crate) use event::{Effect, Event, Refused, Retire};

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    New,
    Launching,
    Ready,
    BackingOff,
    /// The breaker of the backend holds the launch back; `restart`: it follows a fault.
    Held {
        until: Instant,
        restart: bool,
    },
    Draining(Retire),
    Stopped {
        until: Instant,
        fatal: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    budget: Budget,
    pool: Pool,
    backoff: Backoff,
    /// Whether the session has ever been served; if not, a failed launch forgets it.
    established: bool,
    /// Whether the key outlives a session that was never served: many share it, and will ask again.
    lasting: bool,
    /// The launch that follows, or is under way, makes good a fault.
    restarting: bool,
    /// What follows once a connection that passed the limit is gone.
    cooldown: Duration,
}

impl Machine {
    /// `established`: the session was served before, by an earlier Supervisor, which left this budget.
    pub(crate) fn new(pool: Pool, backoff: Backoff, established: bool, budget: Budget) -> Self {
        let state = match budget.stopped() {
            Some(stopped) => State::Stopped { until: stopped.until, fatal: stopped.fatal },
            None => State::New,
        };
        let (lasting, restarting, cooldown) = (false, false, pool.cooldown);
        Self { state, budget, pool, backoff, established, lasting, restarting, cooldown }
    }

    /// The same for a key that is no single session's: its budget counts before it was ever served, too. Else a server that
    /// cannot start would be started anew with every request.
    pub(crate) fn lasting(self) -> Self {
        Self { lasting: true, ..self }
    }

    /// Other numbers from now on; what was counted stays.
    pub(crate) fn configure(&mut self, pool: Pool, backoff: Backoff) {
        (self.pool, self.backoff) = (pool, backoff);
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state {
            State::New | State::Launching | State::Held { restart: false, .. } => Phase::Launching,
            State::Ready => Phase::Ready,
            State::BackingOff | State::Held { restart: true, .. } => Phase::BackingOff,
            State::Draining(_) => Phase::Draining,
            State::Stopped { .. } => Phase::Stopped,
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether a new request may wait now, and if not, why it is refused.
    pub(crate) fn admits(&self, now: Instant) -> Result<(), Refused> {
        match self.state {
            State::Draining(Retire::Drain) => Err(Refused::Drain),
            State::Draining(Retire::Delete(cause)) => Err(Refused::Ended(cause)),
            State::Draining(Retire::Stop) => Err(Refused::Operator),
            State::Draining(Retire::Limit) => {
                Err(Refused::Stopped { fatal: false, retry_after: self.cooldown })
            }
            State::Stopped { until, fatal } if now < until => {
                Err(Refused::Stopped { fatal, retry_after: until - now })
            }
            State::Held { until, .. } => {
                Err(Refused::Breaker { retry_after: until.saturating_duration_since(now) })
            }
            _ => Ok(()),
        }
    }

    /// Whether the session has ever been served.
    pub(crate) fn is_established(&self) -> bool {
        self.established
    }

    /// Whether there is a connection to send to.
    pub(crate) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Why the connection is being retired, if it is.
    pub(crate) fn retiring(&self) -> Option<Retire> {
        match self.state {
            State::Draining(cause) => Some(cause),
            _ => None,
        }
    }

    /// Whether the key is stopped, and not because the service or the session ends.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped { .. })
    }

    pub(crate) fn on(&mut self, event: Event<'_>, waiting: bool, now: Instant) -> Vec<Effect> {
        match event {
            Event::Wanted => self.wanted(now),
            Event::Ticket => self.ticket(),
            Event::Held(until) => self.held(until, now),
            Event::Ready => self.ready(now),
            Event::Fault { fault, random } => self.fault(fault, random, now),
            Event::External => self.external(now),
            Event::Drain => self.end(Retire::Drain, Refused::Drain),
            Event::Delete(cause) => self.end(Retire::Delete(cause), Refused::Ended(cause)),
            Event::Stop => self.end(Retire::Stop, Refused::Operator),
            Event::Evict => self.evict(),
            Event::EvictRefused => self.evict_refused(),
            Event::Replace => self.replace(),
            Event::Restart { by_hand } => self.restart(by_hand),
            Event::Start => self.start(),
            Event::Renew => self.renew(now),
            Event::Unauthorized => self.unauthorized(),
            Event::SpareDied | Event::Stranger => self.spare_died(),
            Event::Gone => self.gone(waiting, now),
            Event::BackoffOver if self.state == State::BackingOff => self.launch(),
            Event::BackoffOver => Vec::new(),
        }
    }

    /// stopped -> launching once the cooldown is over, with zero errors; new -> launching.
    fn wanted(&mut self, now: Instant) -> Vec<Effect> {
        match self.state {
            State::New => self.launch(),
            State::Stopped { until, .. } if now >= until => {
                self.budget.forgive();
                self.launch()
            }
            _ => Vec::new(),
        }
    }

    fn launch(&mut self) -> Vec<Effect> {
        self.state = State::Launching;
        vec![Effect::Launch]
    }

    /// The breaker lets the key launch.
    fn ticket(&mut self) -> Vec<Effect> {
        if matches!(self.state, State::Held { .. }) {
            self.state = State::Launching;
        }
        Vec::new()
    }

    /// launching -> backing off, until the breaker gives a ticket. What waits is refused; nothing is counted.
    fn held(&mut self, until: Instant, now: Instant) -> Vec<Effect> {
        if !matches!(self.state, State::Launching | State::Held { .. }) {
            return Vec::new();
        }
        let refused = Effect::Refuse(Refused::Breaker { retry_after: until.saturating_duration_since(now) });
        if self.established {
            self.state = State::Held { until, restart: self.restarting };
            return vec![refused];
        }
        // Never served: nobody waits for it to come back.
        self.state = State::Draining(Retire::Evict);
        vec![refused, Effect::Abandon]
    }

    /// launching -> ready. Elsewhere the answer comes too late to matter.
    fn ready(&mut self, now: Instant) -> Vec<Effect> {
        if self.state != State::Launching {
            return Vec::new();
        }
        self.state = State::Ready;
        self.established = true;
        self.restarting = false;
        self.budget.ready(now, &self.pool);
        vec![Effect::Open]
    }

    /// launching, ready -> backing_off, or stopped where the budget is spent. `New`: the Supervisor before this
    /// one failed.
    fn fault(&mut self, fault: &Fault, random: f64, now: Instant) -> Vec<Effect> {
        let mut effects = match self.state {
            State::Launching => vec![Effect::Refuse(Refused::Launch)],
            State::Ready | State::New => vec![Effect::Withdraw],
            // A retiring connection that dies has done what it was told to; what is in flight has been
            // answered, and `Gone` does the rest.
            _ => return Vec::new(),
        };
        if !self.established {
            let verdict = self.budget.fault(now, &self.pool, &self.backoff, random);
            match verdict {
                Verdict::Stop(cooldown) if self.lasting => effects.extend(self.stop(cooldown, false, now)),
                // Never served: nobody waits for it to come back.
                _ => self.state = State::Draining(Retire::Evict),
            }
            return effects;
        }
        let verdict = if fault.fatal {
            Verdict::Stop(self.budget.fatal(now, &self.pool))
        } else {
            self.budget.fault(now, &self.pool, &self.backoff, random)
        };
        match verdict {
            Verdict::Stop(cooldown) => effects.extend(self.stop(cooldown, fault.fatal, now)),
            Verdict::Restart(delay) => {
                self.state = State::BackingOff;
                self.restarting = true;
                effects.push(Effect::BackOff(now + delay));
            }
        }
        effects
    }

    fn stop(&mut self, cooldown: Duration, fatal: bool, now: Instant) -> [Effect; 2] {
        let until = now + cooldown;
        self.restarting = false;
        self.budget.stopped_until(until, fatal);
        self.state = State::Stopped { until, fatal };
        [Effect::Refuse(Refused::Stopped { fatal, retry_after: cooldown }), Effect::Stopped { fatal }]
    }

    /// Errors that leave the connection alive: past the limit it is retired, or stopped where it stands.
    fn external(&mut self, now: Instant) -> Vec<Effect> {
        let passed = self.budget.external(now, &self.pool);
        if !passed || matches!(self.state, State::Draining(_) | State::Stopped { .. }) {
            return Vec::new();
        }
        let cooldown = self.budget.stop(&self.pool);
        match self.state {
            State::Ready => {
                self.state = State::Draining(Retire::Limit);
                self.cooldown = cooldown;
                let refused = Refused::Stopped { fatal: false, retry_after: cooldown };
                vec![Effect::Withdraw, Effect::Refuse(refused), Effect::Retire(Retire::Limit)]
            }
            State::Launching | State::Held { .. } => {
                let mut effects = vec![Effect::Abandon];
                effects.extend(self.stop(cooldown, false, now));
                effects
            }
            _ => self.stop(cooldown, false, now).into(),
        }
    }

    /// What waits stays; the Connection has given back what never arrived.
    fn renew(&mut self, now: Instant) -> Vec<Effect> {
        match self.state {
            State::Ready => {
                self.budget.ended(now, &self.pool);
                self.state = State::Launching;
                vec![Effect::Withdraw, Effect::Launch]
            }
            _ => Vec::new(),
        }
    }

    /// launching -> gone: what waits is refused with the word of the backend, and the next request launches with what it shows.
    /// Nothing is counted: clients that show nonsense are no reason to keep others out.
    fn unauthorized(&mut self) -> Vec<Effect> {
        if self.state != State::Launching {
            return Vec::new();
        }
        self.restarting = false;
        self.state = State::Draining(Retire::Evict);
        vec![Effect::Refuse(Refused::Unauthorized)]
    }

    /// Whoever waits waits on. What died, or was spoken to in the wrong era, is not counted: nobody had been served by it.
    fn spare_died(&mut self) -> Vec<Effect> {
        match self.state {
            State::Launching => vec![Effect::Launch],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
