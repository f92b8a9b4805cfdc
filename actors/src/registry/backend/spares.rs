//! Which processes of a backend to keep in reserve: launched, not initialised, nobody's yet. Pure.
//!
//! One is started after the other, until there are `warm`. It is warm once it has answered a ping, or is older than
//! half of the launches took; only a warm one is given away, the oldest first. One older than `warm_max_age` is of use
//! until another has taken its place. While they die one after the other, the next one waits as a restart would.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mcpvisor_config::{Backend, Backoff, Transport};
use tokio::time::Instant;

use crate::supervisor::backoff;

/// A spare that was warm for so long did not die of how it was started.
const STEADY: Duration = Duration::from_secs(10);
/// So many of the last launches say how long one takes.
const LAUNCHES: usize = 31;

/// See the module.
#[derive(Debug)]
pub(crate) struct Spares {
    wanted: usize,
    /// `None`: they do not age.
    max_age: Option<Duration>,
    /// How long a launch may take.
    launch: Duration,
    backoff: Backoff,
    starting: Starting,
    /// By incarnation: the oldest first.
    living: BTreeMap<u64, Spare>,
    launches: VecDeque<Duration>,
    /// Those that died young, in a row.
    streak: u32,
    not_before: Option<Instant>,
    /// No restart can help: none is started until a launch has succeeded.
    hopeless: bool,
    /// Whether the next one is asked. A server that cannot bear it must not be killed by it for ever.
    asks: bool,
}

/// The one that has no process yet.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Starting {
    None,
    /// Waiting for its seat.
    Seat {
        since: Instant,
    },
    /// Being spawned.
    Process {
        incarnation: u64,
        since: Instant,
    },
}

#[derive(Debug)]
struct Spare {
    since: Instant,
    warm: Option<Instant>,
    asked: bool,
}

impl Spares {
    pub(crate) fn new(backend: &Backend) -> Self {
        Self {
            wanted: wanted(backend),
            max_age: max_age(backend),
            launch: backend.timeouts.launch,
            backoff: backend.backoff,
            starting: Starting::None,
            living: BTreeMap::new(),
            launches: VecDeque::new(),
            streak: 0,
            not_before: None,
            hopeless: false,
            asks: true,
        }
    }

    /// Another number, or other times, from now on.
    pub(crate) fn configure(&mut self, backend: &Backend) {
        self.wanted = wanted(backend);
        self.max_age = max_age(backend);
        self.launch = backend.timeouts.launch;
        self.backoff = backend.backoff;
    }

    /// Whether fewer are wanted than there are.
    pub(crate) fn are_too_many(&self) -> bool {
        let (starting, warm) = self.count();
        starting + warm > self.wanted
    }

    /// Whether any are to be kept at all.
    pub(crate) fn are_wanted(&self) -> bool {
        self.wanted > 0
    }

    /// Whether one is on its way and not warm yet: the next one waits for it.
    pub(crate) fn is_starting(&self) -> bool {
        self.starting != Starting::None || self.living.values().any(|spare| spare.warm.is_none())
    }

    /// How many are starting, and how many are warm.
    pub(crate) fn count(&self) -> (usize, usize) {
        let warm = self.living.values().filter(|spare| spare.warm.is_some()).count();
        (self.living.len() - warm + usize::from(self.starting != Starting::None), warm)
    }

    /// Whether one more is to be started now.
    pub(crate) fn lacks(&self, now: Instant) -> bool {
        self.is_short(now) && self.not_before.is_none_or(|at| at <= now)
    }

    /// A seat was asked for.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.starting = Starting::Seat { since: now };
    }

    /// The seat came. False: it is no longer wanted.
    pub(crate) fn seated(&mut self, incarnation: u64) -> bool {
        let Starting::Seat { since } = self.starting else { return false };
        self.starting = Starting::Process { incarnation, since };
        true
    }

    /// It has a process. `None`: it is no longer wanted; else whether it is to be asked.
    pub(crate) fn opened(&mut self, incarnation: u64, now: Instant) -> Option<bool> {
        if !self.takes_off(incarnation) {
            return None;
        }
        let asked = self.asks;
        self.living.insert(incarnation, Spare { since: now, warm: None, asked });
        Some(asked)
    }

    /// It answered.
    pub(crate) fn answered(&mut self, incarnation: u64, now: Instant) {
        if let Some(spare) = self.living.get_mut(&incarnation) {
            spare.warm.get_or_insert(now);
        }
    }

    /// Takes note of the time: who is older than most launches took is warm, and who takes too long is given up.
    pub(crate) fn look(&mut self, now: Instant) {
        let patience = self.patience();
        for spare in self.living.values_mut().filter(|spare| spare.since + patience <= now) {
            spare.warm.get_or_insert(now);
        }
        if let Starting::Seat { since } | Starting::Process { since, .. } = self.starting
            && since + self.launch <= now
        {
            self.starting = Starting::None;
            self.failed(now);
        }
    }

    /// Gives one away, and forgets it.
    pub(crate) fn take(&mut self) -> Option<u64> {
        let (&oldest, _) = self.living.iter().find(|(_, spare)| spare.warm.is_some())?;
        self.living.remove(&oldest);
        Some(oldest)
    }

    /// Those too old, as many as others can stand in for. They are forgotten.
    pub(crate) fn superfluous(&mut self, now: Instant) -> Vec<u64> {
        let (_, warm) = self.count();
        let old = self.living.iter().filter(|(_, spare)| !self.is_young(spare, now));
        let old: Vec<u64> =
            old.map(|(&incarnation, _)| incarnation).take(warm.saturating_sub(self.wanted)).collect();
        self.living.retain(|incarnation, _| !old.contains(incarnation));
        old
    }

    /// It died, or could not be started (`hopeless`: no restart can help). Whether that counts against the backend:
    /// not if it had been warm for a while.
    pub(crate) fn died(&mut self, incarnation: u64, now: Instant, hopeless: bool) -> bool {
        let spare = self.living.remove(&incarnation);
        if spare.is_none() && !self.takes_off(incarnation) {
            return false;
        }
        if let Some(spare) = &spare
            && spare.warm.is_none()
        {
            // It may have died of being asked; if it was not asked, then not of that.
            self.asks = !spare.asked;
        }
        self.hopeless |= hopeless;
        let steady =
            |spare: &Spare| spare.warm.is_some_and(|warm| now.saturating_duration_since(warm) >= STEADY);
        let steady = spare.as_ref().is_some_and(steady);
        if steady {
            self.streak = 0;
        }
        self.failed(now);
        !steady
    }

    /// One died in the hands of the session that it was given to.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.streak = self.streak.saturating_add(1);
        // No jitter: there is only one of these.
        self.not_before = Some(now + backoff::delay(self.streak, &self.backoff, 0.0));
    }

    /// One serves the session that it was given to.
    pub(crate) fn served(&mut self) {
        self.streak = 0;
        self.not_before = None;
    }

    /// A session's own launch took so long, from the start to the answer to `initialize`.
    pub(crate) fn launched(&mut self, took: Duration) {
        self.hopeless = false;
        if self.launches.len() == LAUNCHES {
            self.launches.pop_front();
        }
        self.launches.push_back(took);
    }

    /// An operator knows better, or wants none of these any more: all are forgotten, with what was held against them.
    pub(crate) fn clear(&mut self) {
        self.starting = Starting::None;
        self.living.clear();
        self.served();
        (self.hopeless, self.asks) = (false, true);
    }

    /// When there is something to look at again, if nothing happens before.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let patience = self.patience();
        let warm_at = |spare: &Spare| spare.warm.is_none().then(|| spare.since + patience);
        let warm = self.living.values().filter_map(warm_at);
        let old = self.living.values().filter_map(|spare| Some(spare.since + self.max_age?));
        let given_up = match self.starting {
            Starting::None => None,
            Starting::Seat { since } | Starting::Process { since, .. } => Some(since + self.launch),
        };
        let again = self.not_before.filter(|_| self.is_short(now));
        warm.chain(old).chain(given_up).chain(again).filter(|at| *at > now).min()
    }

    fn is_short(&self, now: Instant) -> bool {
        let young = self.living.values().filter(|spare| self.is_young(spare, now)).count();
        !self.is_starting() && !self.hopeless && young < self.wanted
    }

    fn is_young(&self, spare: &Spare, now: Instant) -> bool {
        self.max_age.is_none_or(|age| now.saturating_duration_since(spare.since) < age)
    }

    /// Whether it was this one that had no process yet.
    fn takes_off(&mut self, wanted: u64) -> bool {
        let ours = matches!(self.starting, Starting::Process { incarnation, .. } if incarnation == wanted);
        if ours {
            self.starting = Starting::None;
        }
        ours
    }

    /// So old is one that is up, if it does not say so: the median launch, or a guess.
    fn patience(&self) -> Duration {
        let mut launches: Vec<_> = self.launches.iter().copied().collect();
        launches.sort_unstable();
        launches.get(launches.len() / 2).copied().unwrap_or(self.launch / 4)
    }
}

/// How many to keep; an upstream is no process.
fn wanted(backend: &Backend) -> usize {
    match backend.transport {
        Transport::Stdio { .. } => backend.warm,
        Transport::Http { .. } => 0,
    }
}

fn max_age(backend: &Backend) -> Option<Duration> {
    Some(backend.warm_max_age).filter(|age| !age.is_zero())
}

#[cfg(test)]
mod tests;
