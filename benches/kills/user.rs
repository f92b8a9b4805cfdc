//! The user of one session: calls at a fixed rate, whatever becomes of the calls before.
//!
//! Each request has a connection to itself for as long as it takes, so that none waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Signal, kill_process};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::common::http::Target;
use crate::common::message::{self, Said};
use crate::common::pace::Moments;
use crate::common::server::as_pid;
use crate::common::session::{Caller, Session};
use crate::history::{Death, History, Outcome, Request};
use crate::variant::{Kind, process_in};

/// Between two calls.
pub(crate) const PERIOD: Duration = Duration::from_millis(100);
/// Every so many calls one is long.
pub(crate) const LONG_EVERY: u64 = 5;
/// Nothing takes so long.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Between two probes, if the one before was refused and not lost.
const REFUSED: Duration = Duration::from_millis(25);
/// A connection that nobody needed for so long may be closed by the other side at any moment.
const STALE: Duration = Duration::from_secs(5);

/// Kills the server of the session.
pub(crate) struct Kill;

/// A session with its load.
pub(crate) struct User {
    session: Session,
    /// The server.
    process: u32,
    idle: Vec<(Caller, Instant)>,
    running: JoinSet<(Option<Caller>, Request)>,
    history: History,
    calls: u64,
    /// Whether it has a server that can be killed.
    is_up: Arc<AtomicBool>,
}

impl User {
    /// Opens a session as clients do, and asks which tools there are: mcpvisor learns from the answer what may be
    /// repeated.
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        let session = Session::open(target).await?;
        let mut caller = session.caller().await?;
        caller.request(&message::tool_list(session.next_id())).await.context("tools/list")?;
        let mut user = Self {
            session,
            process: 0,
            idle: vec![(caller, Instant::now())],
            running: JoinSet::new(),
            history: History::default(),
            calls: 0,
            is_up: Arc::default(),
        };
        user.process = user.ask_for_process().await?;
        user.is_up.store(true, Relaxed);
        Ok(user)
    }

    /// Whether it can be killed, shared.
    pub(crate) fn is_up(&self) -> Arc<AtomicBool> {
        self.is_up.clone()
    }

    /// Calls at these moments, until there are no more orders and every request has ended.
    pub(crate) async fn live(
        mut self,
        mut moments: Moments,
        mut orders: mpsc::Receiver<Kill>,
    ) -> anyhow::Result<(History, Session)> {
        let mut under_load = true;
        while under_load || !self.running.is_empty() {
            tokio::select! {
                Some(due) = moments.recv(), if under_load => self.call(due),
                Some(done) = self.running.join_next() => {
                    let (caller, request) = done.context("a request panicked")?;
                    self.settle(caller, request);
                }
                order = orders.recv(), if under_load => match order {
                    Some(Kill) => self.kill()?,
                    None => under_load = false,
                },
            }
        }
        drop(moments);
        if self.history.deaths.last().is_some_and(|death| death.recovered.is_none()) {
            self.history.failures.push(format!("no answer within {GIVE_UP:?} after a kill"));
        }
        match self.ask_for_process().await {
            Ok(process) if process == self.process => {}
            Ok(_) => self.history.failures.push("its server was replaced, and nobody had killed it".into()),
            Err(error) => self.history.failures.push(format!("it is of no use any more: {error:#}")),
        }
        Ok((self.history, self.session))
    }

    async fn ask_for_process(&mut self) -> anyhow::Result<u32> {
        let id = self.session.next_id();
        let mut caller = self.session.caller().await?;
        let (answer, _) = caller.request(&Kind::Probe.request(id)).await?;
        match message::said(answer, id)? {
            Said::Text(text) => process_in(&text).context("it does not say which process it is"),
            Said::Error { code, reason } => anyhow::bail!("error {code} {reason}"),
        }
    }

    fn call(&mut self, due: Instant) {
        self.calls += 1;
        let kind = if self.calls.is_multiple_of(LONG_EVERY) { Kind::Long } else { Kind::Short };
        self.send(kind, due, Duration::ZERO);
    }

    fn send(&mut self, kind: Kind, due: Instant, pause: Duration) {
        let id = self.session.next_id();
        let now = Instant::now();
        self.idle.retain(|(_, since)| now - *since < STALE);
        let (session, caller) = (self.session.clone(), self.idle.pop().map(|(caller, _)| caller));
        self.running.spawn(async move {
            sleep_if(pause).await;
            let sent = Instant::now();
            let asked = timeout(GIVE_UP, ask(session, caller, kind, id)).await;
            let (caller, ended, outcome) = match asked {
                Ok(Ok((caller, ended, outcome))) => (Some(caller), ended, outcome),
                Ok(Err(error)) => (None, Instant::now(), Outcome::Wrong(format!("{error:#}"))),
                Err(_) => (None, Instant::now(), Outcome::Unanswered),
            };
            (caller, Request { id, kind, due, sent, ended, outcome })
        });
    }

    fn settle(&mut self, caller: Option<Caller>, request: Request) {
        self.idle.extend(caller.map(|caller| (caller, request.ended)));
        if request.kind == Kind::Probe {
            self.probed(&request);
        }
        self.history.requests.push(request);
    }

    /// Asks on until another process answers.
    fn probed(&mut self, probe: &Request) {
        let Some(death) = self.history.deaths.last_mut() else { return };
        let pause = match &probe.outcome {
            Outcome::Right(Some(process)) if *process != self.process => {
                self.process = *process;
                death.recovered = Some(probe.ended);
                return self.is_up.store(true, Relaxed);
            }
            // It was answered just before the kill took effect, or lost by it.
            Outcome::Right(_) | Outcome::Error { code: crate::account::LOST, .. } => Duration::ZERO,
            Outcome::Error { .. } | Outcome::Wrong(_) | Outcome::Unanswered => REFUSED,
        };
        if death.at.elapsed() < GIVE_UP {
            self.send(Kind::Probe, Instant::now(), pause);
        }
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let at = Instant::now();
        let process = as_pid(self.process).context("no process")?;
        kill_process(process, Signal::KILL).context("a server is gone that nobody has killed")?;
        self.history.deaths.push(Death { at, recovered: None });
        // At once, as hard as it gets: it may reach mcpvisor before the news of the death does.
        self.send(Kind::Probe, Instant::now(), Duration::ZERO);
        Ok(())
    }
}

async fn ask(
    session: Session,
    caller: Option<Caller>,
    kind: Kind,
    id: u64,
) -> anyhow::Result<(Caller, Instant, Outcome)> {
    let mut caller = match caller {
        Some(caller) => caller,
        None => session.caller().await?,
    };
    let (answer, ended) = caller.request(&kind.request(id)).await?;
    let outcome = match message::said(answer, id)? {
        Said::Text(text) => {
            ensure!(kind.accepts(id, &text), "call {id} ({kind:?}) was answered: {text}");
            Outcome::Right(if kind == Kind::Probe { process_in(&text) } else { None })
        }
        Said::Error { code, reason } => Outcome::Error { code, reason },
    };
    Ok((caller, ended, outcome))
}

async fn sleep_if(pause: Duration) {
    if !pause.is_zero() {
        sleep(pause).await;
    }
}
