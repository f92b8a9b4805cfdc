//! How long to wait before a backend is asked to listen once more. Pure.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// A subscription that has lasted so long was not refused.
const LASTING: Duration = Duration::from_secs(10);

/// Losses in a row.
#[derive(Debug)]
pub(super) struct Pause {
    since: Instant,
    losses: u32,
}

impl Pause {
    /// The backend was asked for the first time.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, losses: 0 }
    }

    /// The subscription was lost: when to ask for it again. At once after one that lasted; a backend that ends each of them
    /// would else be asked without a pause.
    pub(super) fn lost(&mut self, now: Instant) -> Instant {
        if now.saturating_duration_since(self.since) >= LASTING {
            self.losses = 0;
        }
        let pause = match self.losses {
            0 => Duration::ZERO,
            losses => FIRST.saturating_mul(1_u32.checked_shl(losses - 1).unwrap_or(u32::MAX)).min(LONGEST),
        };
        self.losses += 1;
        self.since = now + pause;
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loss_costs_no_time_and_those_in_a_row_ever_more() {
        let mut now = Instant::now();
        let mut pause = Pause::new(now);
        let mut waits = Vec::new();
        for _ in 0..10 {
            let again = pause.lost(now);
            waits.push((again - now).as_millis());
            now = again;
        }
        assert_eq!(waits, [0, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        now += LASTING;
        assert_eq!(pause.lost(now), now, "it had lasted");
    }
}
