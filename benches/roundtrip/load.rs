//! The load on an HTTP server.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;

use crate::common::http::Target;
use crate::common::pace::{Clock, Moments};
use crate::common::server::cpu_time;
use crate::common::session::{Caller, Session};
use crate::common::tool::Era;
use crate::figures::Figures;
use crate::options::Options;
use crate::scenario::RoundTrip;

/// Opens the sessions of the scenario, calls as it says, closes them. `pid`: whose processor time counts.
pub(crate) async fn measure(
    target: &Target,
    pid: Option<u32>,
    scenario: &RoundTrip,
    options: &Options,
) -> anyhow::Result<Figures> {
    let sessions = open(target, scenario).await?;
    let mut callers = Vec::with_capacity(scenario.sessions * scenario.callers);
    for session in &sessions {
        for _ in 0..scenario.callers {
            callers.push(session.caller().await?);
        }
    }
    if scenario.eras.0 == Era::Modern {
        // Their backends are launched by the first call.
        for caller in &mut callers {
            caller.call().await?;
        }
    }
    let begin = Instant::now();
    let (from, until) = (begin + options.warm_up(), begin + options.warm_up() + options.measured());
    let mut running = JoinSet::new();
    let mut clock = Clock::default();
    let all = callers.len() as u32;
    for (number, caller) in callers.into_iter().enumerate() {
        match scenario.rate {
            None => running.spawn(call_at_will(caller, from, until)),
            Some(rate) => {
                let every = Duration::from_secs(1) * all / rate;
                let moments = clock.moments(begin + every * number as u32 / all, every);
                running.spawn(call_on_time(caller, moments, from, until))
            }
        };
    }
    clock.start();
    tokio::time::sleep_until(from.into()).await;
    let before = (pid.and_then(cpu_time), own_cpu());
    tokio::time::sleep_until(until.into()).await;
    let after = (pid.and_then(cpu_time), own_cpu());
    let mut latencies = Vec::new();
    while let Some(ended) = running.join_next().await {
        latencies.append(&mut ended??);
    }
    for session in &sessions {
        session.close().await?;
    }
    let cpu = before.0.zip(after.0).map(|(before, after)| after.saturating_sub(before));
    let client = after.1.saturating_sub(before.1);
    Ok(Figures::of(latencies, options.measured(), cpu, Some(client)))
}

async fn open(target: &Target, scenario: &RoundTrip) -> anyhow::Result<Vec<Session>> {
    let (count, tool) = (scenario.sessions, scenario.tool);
    Ok(match scenario.eras.0 {
        Era::Legacy => {
            Session::open_all(target, count).await?.into_iter().map(|session| session.calling(tool)).collect()
        }
        Era::Modern => (0..count).map(|number| Session::named(target, &format!("s{number}"), tool)).collect(),
    })
}

/// One call after the other.
async fn call_at_will(mut caller: Caller, from: Instant, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(1 << 15);
    loop {
        let (sent, at) = caller.answered().await?;
        let now = Instant::now();
        if now >= until {
            return Ok(latencies);
        }
        if now >= from {
            latencies.push(at - sent);
        }
    }
}

/// A call at each of the moments, or as soon after it as the one before is answered. It takes from that moment to its
/// answer: what a call waits for those before it counts.
async fn call_on_time(
    mut caller: Caller,
    mut moments: Moments,
    from: Instant,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(1 << 12);
    while let Some(due) = moments.recv().await {
        if due >= until {
            break;
        }
        let (_, at) = caller.answered().await?;
        if due >= from {
            latencies.push(at - due);
        }
    }
    Ok(latencies)
}

/// Of this thread, which is the whole client.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
