//! How long to wait before a restart.

use std::time::Duration;

use mcpvisor_config::Backoff;

/// The delay before the restart that follows the `streak`-th fault in a row: none after the first,
/// then `min` doubling to `max`, of which up to `jitter` is taken off at random (`random` in 0..1).
pub(crate) fn delay(streak: u32, backoff: &Backoff, random: f64) -> Duration {
    if streak <= 1 {
        return Duration::ZERO;
    }
    let factor = 1_u32.checked_shl(streak - 2).unwrap_or(u32::MAX);
    let full = backoff.min.saturating_mul(factor).min(backoff.max);
    full.mul_f64(1.0 - (backoff.jitter * random).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { min: Duration::from_millis(250), max: Duration::from_secs(30), jitter: 0.5 };

    #[test]
    fn the_first_restart_is_immediate_and_the_rest_double_to_the_bound() {
        let delays: Vec<_> = (1..=10).map(|streak| delay(streak, &BACKOFF, 0.0).as_millis()).collect();
        assert_eq!(delays, [0, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(delay(u32::MAX, &BACKOFF, 0.0), BACKOFF.max);
    }

    #[test]
    fn jitter_takes_off_at_most_its_share() {
        assert_eq!(delay(2, &BACKOFF, 1.0), Duration::from_millis(125));
        assert_eq!(delay(2, &BACKOFF, 0.5), Duration::from_micros(187_500));
    }
}
