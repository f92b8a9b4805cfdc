//! Many sessions begun at once, while others are in use.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::backends;
use crate::common::binaries::Binaries;
use crate::common::http::Target;
use crate::common::memory::allow_files;
use crate::common::session::{Opening, Session};
use crate::common::spread::Spread;
use crate::goals::Goal;
use crate::options::Options;
use crate::witness::Witness;

/// Of the witness alone, before.
const QUIET: Duration = Duration::from_secs(2);
/// A session that has not begun and has not been refused by then hangs.
const GIVE_UP: Duration = Duration::from_secs(60);
/// What the p99 of others may rise to, of what it was.
const OTHERS: f64 = 2.0;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Storm {
    sessions: usize,
    /// From `initialize` to the first result, of those that were let in.
    ready_ms: Spread,
    /// Refused, with a cause.
    refused: usize,
    /// Until the last was ready or refused.
    all_ms: f64,
    /// Calls of sessions of another backend: before, and meanwhile.
    before_ms: Spread,
    during_ms: Spread,
}

pub(crate) async fn measure(options: &Options, binaries: &Binaries) -> anyhow::Result<Storm> {
    let count = options.storm();
    allow_files(count as u64 * 2 + 200)?;
    let gateway = backends::start(options, binaries, &[]).await?;
    let target = Target::parse(&gateway.url(backends::ECHO))?;
    let mut witness = Witness::start(&Target::parse(&gateway.url(backends::FRAGILE))?).await?;
    let before = witness.during(async { tokio::time::sleep(QUIET).await }).await?.0;
    let begin = Instant::now();
    let (during, outcomes) = witness.during(all(&target, count)).await?;
    let all = begin.elapsed();
    witness.end().await?;
    let (mut ready, mut refused, mut sessions) = (Vec::new(), 0, Vec::new());
    for outcome in outcomes? {
        match outcome {
            Some((took, session)) => {
                ready.push(took);
                sessions.push(session);
            }
            None => refused += 1,
        }
    }
    for session in sessions {
        session.close().await?;
    }
    ensure!(ready.len() + refused == count, "not every session was answered");
    Ok(Storm {
        sessions: count,
        ready_ms: Spread::of(ready),
        refused,
        all_ms: all.as_secs_f64() * 1e3,
        before_ms: before,
        during_ms: during,
    })
}

type Outcome = Option<(Duration, Session)>;

/// Begins all at once; `None` of one that was refused. One that hangs fails.
async fn all(target: &Target, count: usize) -> anyhow::Result<Vec<Outcome>> {
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let target = target.clone();
        opening.spawn(async move {
            let begin = Instant::now();
            let one = async {
                match Session::attempt(&target).await? {
                    Opening::Refused(_) => anyhow::Ok(None),
                    Opening::Session(session) => {
                        session.caller().await?.call().await?;
                        Ok(Some((begin.elapsed(), session)))
                    }
                }
            };
            timeout(GIVE_UP, one).await.context("a session neither began nor was refused")?
        });
    }
    let mut outcomes = Vec::with_capacity(count);
    while let Some(outcome) = opening.join_next().await {
        outcomes.push(outcome??);
    }
    Ok(outcomes)
}

impl Storm {
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let ratio = self.during_ms.p99 / self.before_ms.p99;
        vec![Goal::at_most(format!("p99 of others while {} begin", self.sessions), ratio, OTHERS, "before")]
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, refused, all_ms, .. } = self;
        writeln!(f, "{:<46} count   p50 ms   p99 ms   max ms", format!("{sessions} sessions begin at once"))?;
        for (name, Spread { count, p50, p99, max, .. }) in [
            ("from initialize to the first result", &self.ready_ms),
            ("calls to another backend before", &self.before_ms),
            ("calls to another backend meanwhile", &self.during_ms),
        ] {
            writeln!(f, "  {name:<44} {count:>5}  {p50:>7.2}  {p99:>7.2}  {max:>7.2}")?;
        }
        writeln!(f, "  refused with a cause: {refused}; all answered after {all_ms:.0} ms\n")
    }
}
