//! What an idle session costs mcpvisor in memory, its client's connection open, and whether it is given back.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::backends;
use crate::common::binaries::Binaries;
use crate::common::gateway::Gateway;
use crate::common::http::Target;
use crate::common::memory::{Memory, allow_files};
use crate::common::served::Served;
use crate::common::session::{Caller, Session};
use crate::goals::Goal;
use crate::options::Options;

/// For what is done behind the last answer: connections rest after one second, and the allocator gives back a second later what is free.
const SETTLE: Duration = Duration::from_secs(5);
/// Opened at a time: a storm of launches is not measured here.
const AT_ONCE: usize = 32;
const TO_BE_GONE: Duration = Duration::from_secs(60);
/// KiB per idle session.
const PER_SESSION: f64 = 40.0;
/// KiB before the first.
const BASE: f64 = 15.0 * 1024.0;
/// Of the largest number's cost per session to the smallest's: 1 is a line through the origin.
const LINEAR: f64 = 1.25;
/// Of what the sessions had taken.
const GIVEN_BACK: f64 = 0.7;

/// One kind of backend.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Idle {
    kind: &'static str,
    /// Without sessions, before any.
    base: Memory,
    /// Sessions, and the whole memory with them.
    steps: Vec<(usize, Memory)>,
    /// After the end of all.
    after: Memory,
    /// Once more with the largest number.
    again: Memory,
}

/// With one process per session.
pub(crate) async fn stdio(options: &Options, binaries: &Binaries) -> anyhow::Result<Idle> {
    let gateway = backends::start(options, binaries, &["limits.max_concurrent_launches=32"]).await?;
    let target = Target::parse(&gateway.url(backends::ECHO))?;
    measure("stdio", &gateway, &target, &options.idle()).await
}

/// With one upstream server for all. It closes each connection that has had its answer, so that what is kept is mcpvisor's own.
pub(crate) async fn http(options: &Options, binaries: &Binaries) -> anyhow::Result<Idle> {
    let upstream = Served::start(binaries, &["bare", "127.0.0.1:0", "--close"])?;
    let backend = format!("[backends.upstream]\nurl = {:?}\n", upstream.url);
    let mut settings = vec!["limits.max_concurrent_launches=32".to_owned()];
    settings.extend(options.set.iter().cloned());
    let gateway = Gateway::start(binaries, &backend, &settings).await?;
    let target = Target::parse(&gateway.url("upstream"))?;
    measure("http", &gateway, &target, &options.idle_http()).await
}

async fn measure(
    kind: &'static str,
    gateway: &Gateway,
    target: &Target,
    counts: &[usize],
) -> anyhow::Result<Idle> {
    allow_files(counts.iter().max().map_or(0, |most| *most as u64 + 200))?;
    let now = async || {
        sleep(SETTLE).await;
        Memory::of(gateway.pid())
    };
    sleep(SETTLE).await;
    let spares = gateway.processes_of_servers();
    // What the first session ever brings with it is the base of all.
    close(open(target, 1).await?, gateway, spares).await?;
    let base = now().await?;
    let mut idle = Vec::new();
    let mut steps = Vec::new();
    for count in counts {
        idle.append(&mut open(target, count.saturating_sub(idle.len())).await?);
        steps.push((*count, now().await?));
    }
    let most = idle.len();
    close(idle, gateway, spares).await?;
    let after = now().await?;
    let idle = open(target, most).await?;
    let again = now().await?;
    close(idle, gateway, spares).await?;
    Ok(Idle { kind, base, steps, after, again })
}

type User = (Session, Caller);

/// Each calls once and then keeps still, its connection open.
async fn open(target: &Target, count: usize) -> anyhow::Result<Vec<User>> {
    let mut opened = Vec::with_capacity(count);
    while opened.len() < count {
        let mut opening = JoinSet::new();
        for _ in 0..AT_ONCE.min(count - opened.len()) {
            let target = target.clone();
            opening.spawn(async move {
                let session = Session::open(&target).await?;
                let mut caller = session.caller().await?;
                caller.call().await?;
                anyhow::Ok((session, caller))
            });
        }
        while let Some(user) = opening.join_next().await {
            opened.push(user??);
        }
    }
    Ok(opened)
}

/// Ends the sessions; returns when no more processes are there than so many, which are kept in reserve.
async fn close(users: Vec<User>, gateway: &Gateway, spares: usize) -> anyhow::Result<()> {
    for (session, caller) in users {
        drop(caller);
        session.close().await?;
    }
    let closed = Instant::now();
    while gateway.processes_of_servers() > spares {
        anyhow::ensure!(closed.elapsed() < TO_BE_GONE, "processes are left of sessions that ended");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

impl Idle {
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let kind = self.kind;
        let mut goals = vec![Goal::at_most(
            format!("memory, {kind}: base"),
            self.base.rss as f64 / 1024.0,
            BASE / 1024.0,
            "MiB",
        )];
        for (count, memory) in &self.steps {
            let each = self.each(*count, *memory);
            goals.push(Goal::at_most(
                format!("memory, {kind}: {count} idle, each"),
                each,
                PER_SESSION,
                "KiB",
            ));
        }
        if let ([(few, first), .., (many, last)], Some(taken)) = (&self.steps[..], self.taken()) {
            let ratio = self.each(*many, *last) / self.each(*few, *first);
            let what = format!("memory, {kind}: each of {many} to each of {few}");
            goals.push(Goal::at_most(what, ratio, LINEAR, ""));
            let back = last.rss.saturating_sub(self.after.rss) as f64 / taken;
            goals.push(Goal::at_least(format!("memory, {kind}: given back"), back, GIVEN_BACK, "of it"));
            let again = self.again.rss as f64 / last.rss as f64;
            goals.push(Goal::at_most(format!("memory, {kind}: once more {many}"), again, 1.1, "before"));
        }
        goals
    }

    /// KiB that the largest number took.
    fn taken(&self) -> Option<f64> {
        let (_, last) = self.steps.last()?;
        Some(last.rss.saturating_sub(self.base.rss) as f64)
    }

    fn each(&self, count: usize, memory: Memory) -> f64 {
        memory.rss.saturating_sub(self.base.rss) as f64 / count as f64
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("memory of mcpvisor, {}", self.kind);
        writeln!(f, "{title:<26}  RSS KiB  PSS KiB  private KiB | RSS KiB per session")?;
        let mut row = |name: String, Memory { rss, pss, private }: Memory, each: Option<f64>| {
            let each = each.map_or_else(String::new, |each| format!("{each:>8.1}"));
            writeln!(f, "  {name:<23}  {rss:>7}  {pss:>7}  {private:>11} | {each}")
        };
        row("no session".into(), self.base, None)?;
        for (count, memory) in &self.steps {
            row(format!("{count} idle sessions"), *memory, Some(self.each(*count, *memory)))?;
        }
        row("after their end".into(), self.after, None)?;
        row("once more as many".into(), self.again, None)?;
        writeln!(f)
    }
}
