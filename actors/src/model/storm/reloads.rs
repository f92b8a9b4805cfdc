//! Other configurations in the middle of everything.

use std::time::Duration;

use super::Storm;
use crate::model::ledger::ledger;
use crate::model::world::{BACKENDS, COMMON, World};

impl Storm {
    /// One backend gets another command or other limits, goes, or comes back.
    pub(super) async fn reload(&mut self) {
        let backend = self.dice.pick(&BACKENDS).copied().unwrap_or(COMMON);
        let what = self.dice.below(4);
        self.world.change(backend, what);
        let patience = if self.dice.chance(50) { Duration::from_secs(2) } else { Duration::ZERO };
        self.reload_to(&format!("reload {what} of {backend}"), patience).await;
    }

    /// All of them are there again.
    pub(super) async fn restore(&mut self) {
        self.world = World::default();
        self.reload_to("reload of all", Duration::from_secs(2)).await;
    }

    async fn reload_to(&mut self, what: &str, patience: Duration) {
        ledger(|ledger| ledger.note(format_args!("{what}")));
        self.ordered(None);
        let (launcher, config) = (self.launcher.clone(), self.world.config());
        ledger(|ledger| ledger.configure(&config));
        // A reload is over once everybody has been told, whoever waits for that.
        let done = tokio::spawn(async move { launcher.reload(config).await });
        match tokio::time::timeout(patience, done).await {
            Ok(Ok(Err(refused))) => ledger(|ledger| ledger.wrong(format!("a reload is refused: {refused}"))),
            Err(_) if !patience.is_zero() => ledger(|ledger| ledger.wrong(format!("{what} is not taken"))),
            _ => {}
        }
        self.ordered(None);
    }
}
