//! The load on an HTTP server.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::common::http::Target;
use crate::common::server::cpu_time;
use crate::common::session::{Caller, Session};
use crate::figures::Figures;
use crate::options::Options;
use crate::scenario::RoundTrip;

/// Opens the sessions of the scenario, calls as often as it can, closes them. `pid`: whose processor time counts.
pub(crate) async fn measure(
    target: &Target,
    pid: Option<u32>,
    scenario: &RoundTrip,
    options: &Options,
) -> anyhow::Result<Figures> {
    let sessions = Session::open_all(target, scenario.sessions).await?;
    let mut callers = Vec::with_capacity(scenario.sessions * scenario.callers);
    for session in &sessions {
        for _ in 0..scenario.callers {
            callers.push(session.caller().await?);
        }
    }
    let from = Instant::now() + options.warm_up();
    let until = from + options.measured();
    let mut running: JoinSet<_> = callers.into_iter().map(|caller| run(caller, from, until)).collect();
    tokio::time::sleep_until(from.into()).await;
    let before = pid.and_then(cpu_time);
    tokio::time::sleep_until(until.into()).await;
    let after = pid.and_then(cpu_time);
    let mut latencies = Vec::new();
    while let Some(ended) = running.join_next().await {
        latencies.append(&mut ended??);
    }
    for session in &sessions {
        session.close().await?;
    }
    let cpu = before.zip(after).map(|(before, after)| after.saturating_sub(before));
    Ok(Figures::of(latencies, options.measured(), cpu))
}

async fn run(mut caller: Caller, from: Instant, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(1 << 15);
    loop {
        let took = caller.call().await?;
        let now = Instant::now();
        if now >= until {
            return Ok(latencies);
        }
        if now >= from {
            latencies.push(took);
        }
    }
}
