//! What a killed backend costs: its own session, and the others.
//!
//! Many sessions call now and then. One child after the other is killed in the middle of a call: it is stopped
//! first, so that the call is certain to be with it, and SIGKILL then ends it as it ends any process.

use std::fmt;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Signal, kill_process};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::backends;
use crate::common::binaries::Binaries;
use crate::common::http::Target;
use crate::common::server::as_pid;
use crate::common::session::{Called, Caller, Session};
use crate::common::spread::Spread;
use crate::options::Options;

mod children;

/// `backend_lost`
const LOST: i64 = -31001;
/// A backend of which many processes die within 10 s of their start is left alone for a while; that is not measured here.
const SETTLED: Duration = Duration::from_secs(11);
/// Between two calls of a session.
const PAUSE: Duration = Duration::from_millis(100);
/// For a call to get from here into the child.
const ON_ITS_WAY: Duration = Duration::from_millis(30);
/// Between two kills.
const BETWEEN: Duration = Duration::from_millis(200);
const GIVE_UP: Duration = Duration::from_secs(20);

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Crash {
    pub(crate) sessions: usize,
    /// From the kill to the error of the call that the child had.
    pub(crate) error_ms: Spread,
    /// From the kill to the next right answer in the same session.
    pub(crate) next_answer_ms: Spread,
    /// Calls of the other sessions, none of which failed: before the first kill, and from then on.
    pub(crate) others_before_ms: Spread,
    pub(crate) others_during_ms: Spread,
    /// Calls refused between the loss and the next answer.
    pub(crate) refused: u32,
}

struct Killed {
    error: Duration,
    next_answer: Duration,
    refused: u32,
}

struct Order {
    pid: u32,
    done: oneshot::Sender<anyhow::Result<Killed>>,
}

pub(crate) async fn measure(options: &Options, binaries: &Binaries) -> anyhow::Result<Crash> {
    let gateway = backends::start(options, binaries, &[]).await?;
    let target = Target::parse(&gateway.url(backends::FRAGILE))?;
    let sessions = Session::open_all(&target, options.kills()).await?;
    let mut users = JoinSet::new();
    let mut orders = Vec::new();
    for session in &sessions {
        let (order, received) = mpsc::channel(1);
        orders.push(order);
        users.spawn(use_now_and_then(session.caller().await?, received));
    }
    sleep(if options.is_test() { PAUSE } else { SETTLED }).await;
    let first_kill = Instant::now();
    let mut killed = Vec::new();
    for (session, order) in sessions.iter().zip(&orders) {
        let pid = children::pid_of(&gateway, session).await?;
        let (done, outcome) = oneshot::channel();
        // A user that has ended says why when it is joined.
        if order.send(Order { pid, done }).await.is_err() {
            break;
        }
        let outcome = outcome.await.context("a session failed beside the killed ones")?;
        killed.push(outcome.with_context(|| format!("mcpvisor's log:\n{}", gateway.log()))?);
        sleep(BETWEEN).await;
    }
    drop(orders);
    let mut calls = Vec::new();
    while let Some(user) = users.join_next().await {
        calls.append(&mut user?.context("a session failed beside the killed ones")?);
    }
    for session in &sessions {
        session.close().await?;
    }
    let (before, during): (Vec<_>, Vec<_>) = calls.into_iter().partition(|(at, _)| *at < first_kill);
    let took = |calls: Vec<(Instant, Duration)>| Spread::of(calls.into_iter().map(|(_, took)| took));
    Ok(Crash {
        sessions: sessions.len(),
        error_ms: Spread::of(killed.iter().map(|killed| killed.error)),
        next_answer_ms: Spread::of(killed.iter().map(|killed| killed.next_answer)),
        others_before_ms: took(before),
        others_during_ms: took(during),
        refused: killed.iter().map(|killed| killed.refused).sum(),
    })
}

/// Calls until there are no more orders; when each call was made, and how long it took.
async fn use_now_and_then(
    mut caller: Caller,
    mut orders: mpsc::Receiver<Order>,
) -> anyhow::Result<Vec<(Instant, Duration)>> {
    let mut calls = Vec::new();
    loop {
        match timeout(PAUSE, orders.recv()).await {
            Err(_) => calls.push((Instant::now(), caller.call().await?)),
            Ok(Some(order)) => {
                let outcome = kill(&mut caller, order.pid).await;
                // Nobody waits for it any more only if the measurement has failed elsewhere.
                let _ = order.done.send(outcome);
            }
            Ok(None) => return Ok(calls),
        }
    }
}

async fn kill(caller: &mut Caller, pid: u32) -> anyhow::Result<Killed> {
    let pid = as_pid(pid).context("no such process")?;
    kill_process(pid, Signal::STOP)?;
    let killed = {
        let mut call = pin!(caller.attempt());
        ensure!(timeout(ON_ITS_WAY, &mut call).await.is_err(), "a stopped process answered");
        let killed = Instant::now();
        kill_process(pid, Signal::KILL)?;
        match timeout(GIVE_UP, call).await.context("the lost call was never answered")?? {
            Called::Error(LOST) => (killed, killed.elapsed()),
            Called::Error(code) => bail!("the lost call was answered with {code} instead of {LOST}"),
            Called::Answered { .. } => bail!("the call was answered though its process was killed"),
        }
    };
    let (killed, error) = killed;
    let mut refused = 0;
    while killed.elapsed() < GIVE_UP {
        match caller.attempt().await? {
            Called::Answered { .. } => return Ok(Killed { error, next_answer: killed.elapsed(), refused }),
            Called::Error(_) => refused += 1,
        }
        sleep(Duration::from_millis(5)).await;
    }
    bail!("no answer within {GIVE_UP:?} after the kill")
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("kill -9 in a call, {} sessions in use", self.sessions);
        writeln!(f, "{title:<46} count   p50 ms   p99 ms   max ms")?;
        for (name, Spread { count, p50, p99, max, .. }) in [
            ("from the kill to the error of that call", &self.error_ms),
            ("from the kill to the next right answer", &self.next_answer_ms),
            ("calls of all sessions before the kills", &self.others_before_ms),
            ("calls of the other sessions meanwhile", &self.others_during_ms),
        ] {
            writeln!(f, "  {name:<44} {count:>5}  {p50:>7.2}  {p99:>7.2}  {max:>7.2}")?;
        }
        Ok(())
    }
}
