//! What the error count of a key has to be: the rule of `supervision.md` once more, in other words.
//!
//! A child that ends without having been told to counts once, as does each `record_error`. It reads zero once ready and
//! quiet for `reset_after`, and at the launch that follows a stop. Where an order and a fault meet, either may come
//! first; then the tree is believed, and the account goes on from there.

use std::time::Duration;

use tokio::time::Instant;

use super::world::POOL;
use crate::metadata::Phase;
use crate::route::Route;

/// Within this time an order has come to where it is obeyed, and a fault before it to where it is counted.
const SETTLES: Duration = Duration::from_millis(60);

pub(super) struct Reckoning {
    /// The route that stands for the key.
    pub(super) route: Route,
    errors: u32,
    total: u64,
    last: Option<Instant>,
    ready: Option<Instant>,
    stopped: bool,
    sure: bool,
    /// It is not known when the last error was, and so neither when it will be forgotten.
    blurred: bool,
    /// When the last fault is counted at the latest.
    settled: Option<Instant>,
    order: Option<Instant>,
    /// How often the count was compared, and how often believed.
    pub(super) compared: u64,
    pub(super) believed: u64,
}

impl Reckoning {
    pub(super) fn new(route: Route) -> Self {
        Self {
            route,
            errors: 0,
            total: 0,
            last: None,
            ready: None,
            stopped: false,
            sure: true,
            blurred: false,
            settled: None,
            order: None,
            compared: 0,
            believed: 0,
        }
    }

    pub(super) fn phase(&self) -> Option<Phase> {
        self.route.place().status.load().as_ref().map(|status| status.phase)
    }

    /// A child has ended that was not told to; `ready`: since when it was; `settles`: how long it may take to be counted.
    pub(super) fn fault(&mut self, fatal: bool, ready: Option<Instant>, settles: Duration) {
        let now = Instant::now();
        self.settled = Some(now + settles);
        self.ready = ready.or(self.ready);
        // What nobody has used for long may be evicted before it is known why it ended.
        let unused = now.duration_since(self.route.place().usage.last_used()) + settles;
        let ordered = self.order.is_some_and(|order| now.duration_since(order) < SETTLES);
        if ordered || unused >= POOL.idle_timeout {
            self.doubt();
        }
        let served = !self.route.record().first_result.is_empty();
        match self.phase() {
            Some(Phase::Launching | Phase::Ready) => {
                self.count(now, settles);
                self.ready = None;
                self.stopped |= served && (fatal || self.errors > POOL.max_error_count);
            }
            // Retired: it has done what it was told to.
            Some(Phase::Draining) => {}
            _ => self.doubt(),
        }
    }

    /// An error that the child survives, of which the tree hears in this phase.
    pub(super) fn error(&mut self, phase: Option<Phase>) {
        self.count(Instant::now(), SETTLES);
        let going = matches!(phase, Some(Phase::Draining | Phase::Stopped));
        if self.errors > POOL.max_error_count && !going {
            self.stopped = true;
            self.ordered();
        }
    }

    /// The next child is started.
    pub(super) fn launched(&mut self) {
        if std::mem::take(&mut self.stopped) {
            self.errors = 0;
        }
        self.ready = None;
    }

    /// A child is gone; `ready`: since when it was, unless its end was a fault.
    pub(super) fn gone(&mut self, ready: Option<Instant>) {
        self.ready = ready.or(self.ready);
        self.ended();
    }

    /// It is not ready any more.
    pub(super) fn ended(&mut self) {
        self.heal(Instant::now());
        self.ready = None;
    }

    /// An order is on its way to the key.
    pub(super) fn ordered(&mut self) {
        let now = Instant::now();
        self.order = Some(now);
        // Some orders take a stop back.
        if self.stopped || self.settled.is_some_and(|settled| now <= settled) {
            self.doubt();
        }
    }

    /// It cannot be known from here what counts.
    pub(super) fn doubt(&mut self) {
        self.sure = false;
    }

    /// Compares once nothing is on its way. `ready`: since when the child of now is.
    pub(super) fn compare(&mut self, ready: Option<Instant>) -> Option<String> {
        let now = Instant::now();
        let obeyed = self.order.map(|order| order + SETTLES);
        if self.settled.into_iter().chain(obeyed).any(|at| now <= at) {
            return None;
        }
        let budget = self.route.record().budget.clone();
        let told = (budget.errors(now, &POOL), budget.total());
        match self.phase() {
            Some(Phase::Ready | Phase::Draining) => self.ready = ready,
            // A request has come after the cooldown, and its launch waits for a ticket.
            Some(Phase::Launching | Phase::BackingOff) if self.stopped => self.launched(),
            _ => self.ended(),
        }
        self.heal(now);
        if self.sure {
            self.compared += 1;
            if self.blurred && told.0 == 0 {
                (self.errors, self.blurred) = (0, false);
            }
            let expected = (self.errors, self.total);
            let key = self.route.key();
            return (told != expected)
                .then(|| format!("{key} has (errors, in all) {told:?} and should have {expected:?}"));
        }
        self.believed += 1;
        (self.errors, self.total) = told;
        self.stopped = budget.stopped().is_some() || self.phase() == Some(Phase::Stopped);
        self.sure = true;
        self.blurred = self.errors > 0;
        None
    }

    fn count(&mut self, now: Instant, settles: Duration) {
        if self.blurred {
            self.doubt();
        }
        // It is counted a moment later, and may have been quiet for long enough by then.
        if !self.quiet(now) && self.quiet(now + settles) {
            self.doubt();
        }
        self.heal(now);
        self.errors += 1;
        self.total += 1;
        self.last = Some(now);
    }

    fn heal(&mut self, now: Instant) {
        if !self.blurred && self.quiet(now) {
            self.errors = 0;
        }
    }

    fn quiet(&self, now: Instant) -> bool {
        let since = self.ready.map(|ready| self.last.map_or(ready, |last| last.max(ready)));
        since.is_some_and(|since| now.duration_since(since) >= POOL.reset_after)
    }
}
