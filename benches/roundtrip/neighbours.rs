//! What one session notices of another that crashes again and again, floods standard error, or reads slowly.

use std::fmt;
use std::future::{Future, pending};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::time::sleep;

use crate::backends;
use crate::common::binaries::Binaries;
use crate::common::http::Target;
use crate::common::session::Session;
use crate::common::spread::{Spread, median};
use crate::common::tool::Tool;
use crate::goals::Goal;
use crate::options::Options;
use crate::witness::Witness;

/// What the p99 may rise to, of what it is alone.
const RISE: f64 = 1.2;
/// Between two sessions of a client that does not give up.
const AGAIN: Duration = Duration::from_millis(20);
/// What a slow reader takes at a time, and how long he waits then.
const SIP: (usize, Duration) = (16 << 10, Duration::from_millis(20));

const NAMES: [&str; 4] =
    ["nobody", "one that crashes at each call", "one that floods standard error", "one that reads slowly"];

/// What was measured: the calls of a session beside each of the neighbours.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Neighbours {
    rounds: Vec<[Spread; 4]>,
}

pub(crate) async fn measure(options: &Options, binaries: &Binaries) -> anyhow::Result<Neighbours> {
    let gateway = backends::start(options, binaries, &[]).await?;
    let target = |backend| Target::parse(&gateway.url(backend));
    let (crashing, flooding, echo) =
        (target(backends::CRASHING)?, target(backends::FLOODING)?, target(backends::ECHO)?);
    let mut witness = Witness::start(&echo).await?;
    let time = options.beside();
    let mut rounds = Vec::new();
    for _ in 0..options.rounds() {
        let nobody = witness.during(sleep(time)).await?.0;
        let crash = witness.during(until(time, crash(&crashing))).await?;
        let flood = witness.during(until(time, flood(&flooding))).await?;
        let slow = witness.during(until(time, read_slowly(&echo))).await?;
        crash.1?;
        flood.1?;
        slow.1?;
        rounds.push([nobody, crash.0, flood.0, slow.0]);
    }
    witness.end().await?;
    Ok(Neighbours { rounds })
}

/// Whatever it does, for so long; an error if it ended before.
async fn until(time: Duration, what: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::select! {
        () = sleep(time) => Ok(()),
        ended = what => {
            ended?;
            bail!("a neighbour ended")
        }
    }
}

/// A client whose server dies of each of its calls, and who begins anew whenever he may.
async fn crash(target: &Target) -> anyhow::Result<()> {
    loop {
        // Whatever he is told: he comes again.
        if let Ok(session) = Session::open(target).await {
            let _ = session.caller().await?.call().await;
            let _ = session.close().await;
        }
        sleep(AGAIN).await;
    }
}

/// A server that writes to standard error without end.
async fn flood(target: &Target) -> anyhow::Result<()> {
    let _session = Session::open(target).await.context("the server that floods")?;
    pending().await
}

/// A client that asks for much, and takes it a little at a time.
async fn read_slowly(target: &Target) -> anyhow::Result<()> {
    let session = Session::open(target).await?.calling(Tool::Blob(1 << 20));
    let mut caller = session.caller().await?;
    loop {
        caller.sip(SIP.0, SIP.1).await?;
    }
}

impl Neighbours {
    fn p99(&self, which: usize) -> f64 {
        median(self.rounds.iter().map(|round| round[which].p99))
    }

    pub(crate) fn goals(&self) -> Vec<Goal> {
        let rise = |which: usize| self.p99(which) / self.p99(0);
        (1..NAMES.len())
            .map(|which| Goal::at_most(format!("p99 beside {}", NAMES[which]), rise(which), RISE, "alone"))
            .collect()
    }
}

impl fmt::Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<46} count   p50 ms   p99 ms   max ms", "calls beside …")?;
        for (which, name) in NAMES.iter().enumerate() {
            let of =
                |figure: fn(&Spread) -> f64| median(self.rounds.iter().map(|round| figure(&round[which])));
            let count: usize = self.rounds.iter().map(|round| round[which].count).sum();
            let (p50, p99, max) = (of(|spread| spread.p50), of(|spread| spread.p99), of(|spread| spread.max));
            writeln!(f, "  {name:<44} {count:>5}  {p50:>7.2}  {p99:>7.2}  {max:>7.2}")?;
        }
        writeln!(f)
    }
}
