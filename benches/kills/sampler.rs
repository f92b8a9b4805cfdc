//! How much of the machine mcpvisor holds, from time to time.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::common::footprint::Footprint;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_millis(500);

/// Looks until it is asked for what it saw.
pub(crate) struct Sampler {
    stop: CancellationToken,
    running: JoinHandle<Vec<(Instant, Footprint)>>,
}

impl Sampler {
    pub(crate) fn start(pid: u32) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            let mut samples = Vec::new();
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
                samples.extend(Footprint::of(pid).map(|footprint| (Instant::now(), footprint)));
            }
            samples
        });
        Self { stop, running }
    }

    pub(crate) async fn samples(self) -> anyhow::Result<Vec<(Instant, Footprint)>> {
        self.stop.cancel();
        Ok(self.running.await?)
    }
}
