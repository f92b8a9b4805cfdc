//! The phases of one key, as a pure state machine: an event and the time go in, effects come out.
//!
//! The table is that of `supervision.md` (phase x event). Nothing here knows processes or messages.

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
    Draining(Retire),
    Stopped { until: Instant, fatal: bool },
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
    /// What follows once a connection that passed the limit is gone.
    cooldown: Duration,
}

impl Machine {
    /// `established`: the session was served before, by an earlier Supervisor.
    pub(crate) fn new(pool: Pool, backoff: Backoff, established: bool) -> Self {
        let cooldown = pool.cooldown;
        Self { state: State::New, budget: Budget::default(), pool, backoff, established, cooldown }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state {
            State::New | State::Launching => Phase::Launching,
            State::Ready => Phase::Ready,
            State::BackingOff => Phase::BackingOff,
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
            State::Draining(Retire::Limit) => {
                Err(Refused::Stopped { fatal: false, retry_after: self.cooldown })
            }
            State::Stopped { until, fatal } if now < until => {
                Err(Refused::Stopped { fatal, retry_after: until - now })
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

    pub(crate) fn on(&mut self, event: Event<'_>, waiting: bool, now: Instant) -> Vec<Effect> {
        match event {
            Event::Wanted => self.wanted(now),
            Event::Ready => self.ready(now),
            Event::Fault { fault, random } => self.fault(fault, random, now),
            Event::External => self.external(now),
            Event::Drain => self.end(Retire::Drain, Refused::Drain),
            Event::Delete(cause) => self.end(Retire::Delete(cause), Refused::Ended(cause)),
            Event::Evict => self.evict(),
            Event::EvictRefused => self.evict_refused(),
            Event::Replace => self.replace(),
            Event::Renew => self.renew(),
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

    /// launching -> ready. Elsewhere the answer comes too late to matter.
    fn ready(&mut self, now: Instant) -> Vec<Effect> {
        if self.state != State::Launching {
            return Vec::new();
        }
        self.state = State::Ready;
        self.established = true;
        self.budget.ready(now);
        vec![Effect::Open]
    }

    /// launching, ready -> backing_off, or stopped where the budget is spent.
    fn fault(&mut self, fault: &Fault, random: f64, now: Instant) -> Vec<Effect> {
        let launching = match self.state {
            State::Launching => true,
            State::Ready => false,
            // A retiring connection that dies has done what it was told to; what is in flight has been
            // answered, and `Gone` does the rest.
            _ => return Vec::new(),
        };
        let mut effects =
            if launching { vec![Effect::Refuse(Refused::Launch)] } else { vec![Effect::Withdraw] };
        if !self.established {
            // Never served: nobody waits for it to come back.
            self.budget.fault(now, &self.pool, &self.backoff, random);
            self.state = State::Draining(Retire::Evict);
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
                effects.push(Effect::BackOff(now + delay));
            }
        }
        effects
    }

    fn stop(&mut self, cooldown: Duration, fatal: bool, now: Instant) -> [Effect; 2] {
        self.state = State::Stopped { until: now + cooldown, fatal };
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
            State::Launching => {
                let mut effects = vec![Effect::Abandon];
                effects.extend(self.stop(cooldown, false, now));
                effects
            }
            _ => self.stop(cooldown, false, now).into(),
        }
    }

    /// Drain and delete: nothing comes back.
    fn end(&mut self, cause: Retire, refused: Refused) -> Vec<Effect> {
        match self.state {
            State::Ready => {
                self.state = State::Draining(cause);
                vec![Effect::Withdraw, Effect::Refuse(refused), Effect::Retire(cause)]
            }
            State::Draining(_) => {
                self.state = State::Draining(cause);
                vec![Effect::Refuse(refused), Effect::Retire(cause)]
            }
            // Not ended on the spot: nothing may be launched any more, and what died before may live on.
            State::New | State::Launching | State::BackingOff | State::Stopped { .. } => {
                self.state = State::Draining(cause);
                vec![Effect::Refuse(refused), Effect::Abandon]
            }
        }
    }

    fn evict(&mut self) -> Vec<Effect> {
        match self.state {
            State::Ready => {
                self.state = State::Draining(Retire::Evict);
                vec![Effect::Withdraw, Effect::Retire(Retire::Evict)]
            }
            State::BackingOff | State::Stopped { .. } | State::New => {
                self.state = State::Draining(Retire::Evict);
                vec![Effect::Abandon]
            }
            State::Launching | State::Draining(_) => Vec::new(),
        }
    }

    fn evict_refused(&mut self) -> Vec<Effect> {
        if self.state != State::Draining(Retire::Evict) {
            return Vec::new();
        }
        self.state = State::Ready;
        vec![Effect::Open]
    }

    /// What waits stays, for the one that comes.
    fn replace(&mut self) -> Vec<Effect> {
        self.budget.forgive();
        match self.state {
            State::Ready => {
                self.state = State::Draining(Retire::Restart);
                vec![Effect::Withdraw, Effect::Retire(Retire::Restart)]
            }
            State::Launching => vec![Effect::Abandon, Effect::Launch],
            State::BackingOff | State::New | State::Stopped { .. } => self.launch(),
            State::Draining(Retire::Evict | Retire::Limit) => {
                self.state = State::Draining(Retire::Restart);
                Vec::new()
            }
            State::Draining(_) => Vec::new(),
        }
    }

    /// What waits stays; the Connection has given back what never arrived.
    fn renew(&mut self) -> Vec<Effect> {
        match self.state {
            State::Ready => {
                self.state = State::Launching;
                vec![Effect::Withdraw, Effect::Launch]
            }
            _ => Vec::new(),
        }
    }

    /// Only a retiring key waits for its processes; elsewhere the next launch waits by itself.
    fn gone(&mut self, waiting: bool, now: Instant) -> Vec<Effect> {
        let State::Draining(cause) = self.state else { return Vec::new() };
        self.budget.ended();
        match cause {
            Retire::Restart => self.launch(),
            Retire::Evict if waiting => self.launch(),
            Retire::Drain | Retire::Delete(_) | Retire::Evict => vec![Effect::End],
            Retire::Limit => self.stop(self.cooldown, false, now).into(),
        }
    }
}

#[cfg(test)]
mod tests;
