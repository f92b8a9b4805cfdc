//! Chooses who is killed next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::mpsc;

use crate::common::dice::Dice;
use crate::common::pace::Moments;
use crate::user::Kill;

/// Default of `pool.max_error_count`: one more would stop the connection, and that is not measured here.
const BUDGET: u32 = 10;

/// One who may be killed.
pub(crate) struct Victim {
    pub(crate) is_up: Arc<AtomicBool>,
    pub(crate) orders: mpsc::Sender<Kill>,
    pub(crate) kills: u32,
}

/// Kills one after the other, always another one that has recovered from the last time; how often there was none.
pub(crate) async fn kill(
    victims: &mut [Victim],
    mut dice: Dice,
    mut moments: Moments,
    until: Instant,
) -> u32 {
    let (mut last, mut skipped) = (None, 0);
    while moments.recv().await.is_some_and(|now| now < until) {
        let can_die = |number: &usize| {
            let victim = &victims[*number];
            Some(*number) != last && victim.kills < BUDGET && victim.is_up.load(Relaxed)
        };
        let candidates: Vec<usize> = (0..victims.len()).filter(can_die).collect();
        let Some(&chosen) = dice.choose(&candidates) else {
            skipped += 1;
            continue;
        };
        let victim = &mut victims[chosen];
        victim.is_up.store(false, Relaxed);
        victim.kills += 1;
        last = Some(chosen);
        // A user that has ended says why when it is joined.
        if victim.orders.send(Kill).await.is_err() {
            break;
        }
    }
    skipped
}
