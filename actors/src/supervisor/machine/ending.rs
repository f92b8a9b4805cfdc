//! The ways out of a phase that are ordered: drain, delete, stop, evict, restart.

use tokio::time::Instant;

use super::{Effect, Machine, Refused, Retire, State};

impl Machine {
    /// Drain, delete and an operator's stop: nothing comes back by itself.
    pub(super) fn end(&mut self, cause: Retire, refused: Refused) -> Vec<Effect> {
        match self.state {
            State::Ready => {
                self.state = State::Draining(cause);
                vec![Effect::Withdraw, Effect::Refuse(refused), Effect::Retire(cause)]
            }
            // A session that has ended stays so; only its time may get shorter.
            State::Draining(ended @ Retire::Delete(_)) if !matches!(cause, Retire::Delete(_)) => {
                vec![Effect::Retire(ended)]
            }
            State::Draining(Retire::Drain) if cause == Retire::Stop => Vec::new(),
            State::Draining(_) => {
                self.state = State::Draining(cause);
                vec![Effect::Refuse(refused), Effect::Retire(cause)]
            }
            // Not ended on the spot: nothing may be launched any more, and what died before may live on.
            State::New
            | State::Launching
            | State::BackingOff
            | State::Held { .. }
            | State::Stopped { .. } => {
                self.state = State::Draining(cause);
                vec![Effect::Refuse(refused), Effect::Abandon]
            }
        }
    }

    pub(super) fn evict(&mut self) -> Vec<Effect> {
        match self.state {
            State::Ready => {
                self.state = State::Draining(Retire::Evict);
                vec![Effect::Withdraw, Effect::Retire(Retire::Evict)]
            }
            State::BackingOff | State::Held { .. } | State::Stopped { .. } | State::New => {
                self.state = State::Draining(Retire::Evict);
                vec![Effect::Abandon]
            }
            State::Launching | State::Draining(_) => Vec::new(),
        }
    }

    pub(super) fn evict_refused(&mut self) -> Vec<Effect> {
        if self.state != State::Draining(Retire::Evict) {
            return Vec::new();
        }
        self.state = State::Ready;
        vec![Effect::Open]
    }

    /// What waits stays, for the one that comes.
    pub(super) fn replace(&mut self) -> Vec<Effect> {
        self.budget.forgive();
        match self.state {
            State::Ready => {
                self.state = State::Draining(Retire::Restart);
                vec![Effect::Withdraw, Effect::Retire(Retire::Restart)]
            }
            State::Launching | State::Held { .. } => self.launch_anew(),
            State::BackingOff | State::New | State::Stopped { .. } => self.launch(),
            State::Draining(Retire::Evict | Retire::Limit | Retire::Stop) => self.retire_for_another(),
            State::Draining(_) => Vec::new(),
        }
    }

    /// Another incarnation, uncounted. A reload only forgets that a key was stopped: its next request launches.
    pub(super) fn restart(&mut self, by_hand: bool) -> Vec<Effect> {
        match self.state {
            State::Ready => {
                self.state = State::Draining(Retire::Restart);
                vec![Effect::Withdraw, Effect::Retire(Retire::Restart)]
            }
            State::Launching | State::Held { .. } => self.launch_anew(),
            State::BackingOff => self.launch(),
            State::Stopped { .. } => {
                self.budget.forgive();
                if by_hand {
                    return self.launch();
                }
                self.state = State::New;
                Vec::new()
            }
            // Nobody has asked for it yet.
            State::New => Vec::new(),
            State::Draining(Retire::Limit) if by_hand => {
                self.budget.forgive();
                self.retire_for_another()
            }
            // After a reload as well: one that refuses to be evicted would go on as it was launched.
            State::Draining(Retire::Evict) if by_hand || self.established => self.retire_for_another(),
            State::Draining(Retire::Stop) if by_hand => self.retire_for_another(),
            State::Draining(_) => Vec::new(),
        }
    }

    /// An operator's stop is taken back while the connection still drains.
    pub(super) fn start(&mut self) -> Vec<Effect> {
        if self.state == State::Draining(Retire::Stop) {
            return self.retire_for_another();
        }
        Vec::new()
    }

    /// It is being retired already; said again, since a Connection may just be refusing to be evicted.
    fn retire_for_another(&mut self) -> Vec<Effect> {
        self.state = State::Draining(Retire::Restart);
        vec![Effect::Retire(Retire::Restart)]
    }

    fn launch_anew(&mut self) -> Vec<Effect> {
        self.state = State::Launching;
        vec![Effect::Abandon, Effect::Launch]
    }

    /// Only a retiring key waits for its processes; elsewhere the next launch waits by itself.
    pub(super) fn gone(&mut self, waiting: bool, now: Instant) -> Vec<Effect> {
        let State::Draining(cause) = self.state else { return Vec::new() };
        self.budget.ended(now, &self.pool);
        match cause {
            Retire::Restart => self.launch(),
            Retire::Evict if waiting => self.launch(),
            Retire::Drain | Retire::Delete(_) | Retire::Stop | Retire::Evict => vec![Effect::End],
            Retire::Limit => self.stop(self.cooldown, false, now).into(),
        }
    }
}
