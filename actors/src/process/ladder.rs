//! The ladder by which a process is ended: closed stdin, SIGTERM, SIGKILL. Pure: it takes `now` and says what to do.

use std::time::Duration;

use tokio::time::Instant;

/// How to end a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// SIGKILL to the group at once.
    Kill,
    /// Ask first. The owner has closed the child's stdin, which is how stdio servers are told to end.
    /// A second ladder can only bring the end nearer.
    Ladder {
        /// How long the closed stdin may take to have its effect before SIGTERM.
        stdin_grace: Duration,
        /// How long after SIGTERM before SIGKILL.
        term_grace: Duration,
    },
}

/// A signal that is due now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Terminate,
    Kill,
}

/// Where on the ladder a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ladder {
    /// Nothing was ordered.
    Running,
    /// Its stdin is closed; SIGTERM comes next.
    Closing { terminate_at: Instant, term_grace: Duration },
    /// SIGTERM was sent; SIGKILL comes next.
    Terminating { kill_at: Instant },
    /// SIGKILL was sent: only the kernel can still take its time.
    Killed,
}

impl Ladder {
    pub(super) fn order(&mut self, now: Instant, order: Order) -> Option<Step> {
        let Order::Ladder { stdin_grace, term_grace } = order else { return self.kill() };
        *self = match *self {
            Self::Running => Self::Closing { terminate_at: now + stdin_grace, term_grace },
            Self::Closing { terminate_at, term_grace: earlier } => Self::Closing {
                terminate_at: terminate_at.min(now + stdin_grace),
                term_grace: earlier.min(term_grace),
            },
            Self::Terminating { kill_at } => Self::Terminating { kill_at: kill_at.min(now + term_grace) },
            Self::Killed => Self::Killed,
        };
        self.tick(now)
    }

    /// Nobody can give orders any more. A ladder that has begun goes on; what was never ordered to end is killed.
    pub(super) fn owner_gone(&mut self) -> Option<Step> {
        if *self == Self::Running { self.kill() } else { None }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Closing { terminate_at, .. } => Some(terminate_at),
            Self::Terminating { kill_at } => Some(kill_at),
            Self::Running | Self::Killed => None,
        }
    }

    pub(super) fn tick(&mut self, now: Instant) -> Option<Step> {
        match *self {
            Self::Closing { terminate_at, term_grace } if now >= terminate_at => {
                *self = Self::Terminating { kill_at: now + term_grace };
                Some(Step::Terminate)
            }
            Self::Terminating { kill_at } if now >= kill_at => self.kill(),
            _ => None,
        }
    }

    fn kill(&mut self) -> Option<Step> {
        if *self == Self::Killed {
            return None;
        }
        *self = Self::Killed;
        Some(Step::Kill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: Order =
        Order::Ladder { stdin_grace: Duration::from_secs(2), term_grace: Duration::from_secs(3) };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// If this failed, a server that saves its state on SIGTERM would lose it, or one that ignores it would stay.
    #[test]
    fn goes_down_step_by_step() {
        let start = Instant::now();
        let mut ladder = Ladder::Running;
        assert_eq!(ladder.deadline(), None);
        assert_eq!(ladder.order(start, LADDER), None);
        assert_eq!(ladder.deadline(), Some(start + seconds(2)));
        assert_eq!(ladder.tick(start + seconds(1)), None);
        assert_eq!(ladder.tick(start + seconds(2)), Some(Step::Terminate));
        assert_eq!(ladder.deadline(), Some(start + seconds(5)));
        assert_eq!(ladder.tick(start + seconds(5)), Some(Step::Kill));
        assert_eq!(ladder.deadline(), None);
        assert_eq!(ladder.tick(start + seconds(9)), None);
    }

    /// If this failed, a second Ctrl-C or a shorter drain would not end a server any sooner.
    #[test]
    fn a_later_order_only_brings_the_end_nearer() {
        let start = Instant::now();
        let mut ladder = Ladder::Running;
        ladder.order(start, LADDER);
        ladder.order(start, Order::Ladder { stdin_grace: seconds(60), term_grace: seconds(60) });
        assert_eq!(ladder.deadline(), Some(start + seconds(2)));
        let at_once = Order::Ladder { stdin_grace: seconds(0), term_grace: seconds(1) };
        assert_eq!(ladder.order(start, at_once), Some(Step::Terminate));
        assert_eq!(ladder.deadline(), Some(start + seconds(1)));
        assert_eq!(ladder.order(start, Order::Kill), Some(Step::Kill));
        assert_eq!(ladder.order(start, Order::Kill), None);
    }

    /// If this failed, a crash inside mcpvisor would leave a server running, or cut short one that is saving its state.
    #[test]
    fn without_an_owner() {
        assert_eq!(Ladder::Running.owner_gone(), Some(Step::Kill));
        let mut ladder = Ladder::Running;
        ladder.order(Instant::now(), LADDER);
        assert_eq!(ladder.owner_gone(), None);
    }
}
