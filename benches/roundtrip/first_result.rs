//! From the first byte of a new client to its first result: on a cold session, on a process kept in reserve, and in a session that is there.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use crate::backends;
use crate::common::binaries::Binaries;
use crate::common::http::Target;
use crate::common::served::Served;
use crate::common::session::Session;
use crate::common::spread::Spread;
use crate::goals::Goal;
use crate::options::Options;
use crate::pipe;

/// For a new spare to be ready, and for what ended to be gone.
const BETWEEN: Duration = Duration::from_millis(150);
/// What a new session may take beyond the start of its process, in milliseconds.
const BEYOND_CHILD: f64 = 1.0;
/// On a spare, in milliseconds.
const ON_SPARE: f64 = 5.0;

/// What was measured, of each one after the other in every round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FirstResult {
    /// The server alone: started, asked over its own standard input, answered.
    child_ms: Spread,
    /// The floor, which starts nothing.
    floor_ms: Spread,
    cold_ms: Spread,
    warm_ms: Spread,
    /// Of a session that is there already: a connection and a call.
    existing_ms: Spread,
}

pub(crate) async fn measure(options: &Options, binaries: &Binaries) -> anyhow::Result<FirstResult> {
    let gateway = backends::start(options, binaries, &[]).await?;
    let floor = Served::start(binaries, &["rmcp-http", "127.0.0.1:0"])?;
    let target = |backend| Target::parse(&gateway.url(backend));
    let (cold, warm, floor) = (target(backends::ECHO)?, target(backends::WARM)?, Target::parse(&floor.url)?);
    let existing = Session::open(&cold).await?;
    let mut times: [Vec<Duration>; 5] = Default::default();
    for _ in 0..options.first_results() {
        sleep(BETWEEN).await;
        times[0].push(pipe::first_result(&binaries.fixture)?);
        times[1].push(of_new(&floor).await?);
        times[2].push(of_new(&cold).await?);
        times[3].push(of_new(&warm).await?);
        let begin = Instant::now();
        existing.caller().await?.call().await?;
        times[4].push(begin.elapsed());
    }
    existing.close().await?;
    let [child_ms, floor_ms, cold_ms, warm_ms, existing_ms] = times.map(Spread::of);
    Ok(FirstResult { child_ms, floor_ms, cold_ms, warm_ms, existing_ms })
}

/// `initialize`, the notification and a call, on connections of their own.
async fn of_new(target: &Target) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let session = Session::open(target).await?;
    session.caller().await?.call().await?;
    let took = begin.elapsed();
    session.close().await?;
    Ok(took)
}

impl FirstResult {
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let beyond = self.cold_ms.p50 - self.child_ms.p50;
        vec![
            Goal::at_most("first result of a new session, beyond its process", beyond, BEYOND_CHILD, "ms"),
            Goal::at_most("first result on a warm spare", self.warm_ms.p50, ON_SPARE, "ms"),
        ]
    }
}

impl fmt::Display for FirstResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<46} count   p50 ms   p90 ms   max ms", "to the first result")?;
        for (name, Spread { count, p50, p90, max, .. }) in [
            ("the server alone, over its pipe", &self.child_ms),
            ("floor", &self.floor_ms),
            ("mcpvisor, a new session and process", &self.cold_ms),
            ("mcpvisor, a new session on a warm spare", &self.warm_ms),
            ("mcpvisor, a new connection to a session", &self.existing_ms),
        ] {
            writeln!(f, "  {name:<44} {count:>5}  {p50:>7.2}  {p90:>7.2}  {max:>7.2}")?;
        }
        writeln!(f)
    }
}
