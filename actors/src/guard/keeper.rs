//! Keeps a guard running, and keeps it informed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::Backoff;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::Order;
use super::record::Record;
use super::running::Running;
use crate::metrics::guard_restarted;
use crate::supervisor::backoff;

/// As the restarts of a server, without jitter: there is only one of it.
const BACKOFF: Backoff =
    Backoff { min: Duration::from_millis(250), max: Duration::from_secs(30), jitter: 0.0 };

/// A guard that lived this long has not died of how it was started.
const HEALTHY: Duration = Duration::from_secs(10);

struct Keeper {
    arguments: Vec<OsString>,
    instance: Arc<str>,
    /// The leaders of the groups that live, and when they started: what a new guard is told first.
    live: BTreeMap<u32, u64>,
    /// The engines by which containers run, or have run.
    engines: BTreeSet<String>,
    /// Guards that died young in a row.
    streak: u32,
}

/// Why a guard is no longer wanted, or no longer there.
enum End {
    /// It died, or was never there.
    Lost,
    /// It was let go.
    Goodbye(oneshot::Sender<()>),
    /// Nobody is left who could tell it anything.
    Abandoned,
}

/// Starts a guard, and a task that keeps it alive.
pub(super) async fn start(arguments: Vec<OsString>, instance: Arc<str>, inbox: UnboundedReceiver<Order>) {
    guard_restarted(0);
    let mut keeper =
        Keeper { arguments, instance, live: BTreeMap::new(), engines: BTreeSet::new(), streak: 0 };
    let first = keeper.launch().await;
    tokio::spawn(keeper.run(first, inbox));
}

impl Keeper {
    async fn run(mut self, mut guard: Option<Running>, mut inbox: UnboundedReceiver<Order>) {
        loop {
            let since = Instant::now();
            let end = match &mut guard {
                Some(guard) => self.work_with(guard, &mut inbox).await,
                None => End::Lost,
            };
            if !matches!(end, End::Lost) {
                return self.finish(end, guard).await;
            }
            if since.elapsed() >= HEALTHY {
                self.streak = 0;
            }
            self.streak += 1;
            let again = Instant::now() + backoff::delay(self.streak, &BACKOFF, 0.0);
            let end = self.wait(again, &mut inbox).await;
            if !matches!(end, End::Lost) {
                return self.finish(end, None).await;
            }
            guard_restarted(1);
            guard = self.launch().await;
        }
    }

    /// Sees the guard out. If against all expectation something lives, it is what the guard is for.
    async fn finish(self, end: End, guard: Option<Running>) {
        if let Some(guard) = guard {
            guard.leave(self.live.is_empty()).await;
        }
        if let End::Goodbye(done) = end {
            let _ = done.send(());
        }
    }

    /// Starts a guard and has it told of everything that lives.
    async fn launch(&mut self) -> Option<Running> {
        let (arguments, runtime) = (self.arguments.clone(), tokio::runtime::Handle::current());
        let started = tokio::task::spawn_blocking(move || {
            // The pipe and the pidfd register with the reactor of this runtime.
            let _context = runtime.enter();
            Running::start(&arguments)
        });
        match started.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(mut guard) => {
                guard.tell(&Record::Instance(self.instance.to_string()));
                for (&group, &started) in &self.live {
                    guard.tell(&Record::Remember { group, started });
                }
                for engine in &self.engines {
                    guard.tell(&Record::Engine(engine.clone()));
                }
                tracing::debug!(
                    event = "guard.started",
                    pid = guard.pid(),
                    groups = self.live.len(),
                    "guard started"
                );
                Some(guard)
            }
            Err(error) => {
                tracing::error!(event = "guard.failed", %error, "no guard could be started: a SIGKILL of mcpvisor would leave servers behind");
                None
            }
        }
    }

    /// Passes on what lives until the guard is gone or no longer needed.
    async fn work_with(&mut self, guard: &mut Running, inbox: &mut UnboundedReceiver<Order>) -> End {
        loop {
            let order = tokio::select! {
                biased;
                status = guard.run() => {
                    guard.reap();
                    tracing::warn!(event = "guard.died", pid = guard.pid(), %status, "the guard died; another is started");
                    return End::Lost;
                }
                order = inbox.recv() => order,
            };
            match self.note(order) {
                Ok(record) => guard.tell(&record),
                Err(end) => return end,
            }
        }
    }

    /// Notes what lives until it is time to start another guard.
    async fn wait(&mut self, until: Instant, inbox: &mut UnboundedReceiver<Order>) -> End {
        loop {
            let order = tokio::select! {
                biased;
                () = sleep_until(until) => return End::Lost,
                order = inbox.recv() => order,
            };
            if let Err(end) = self.note(order) {
                return end;
            }
        }
    }

    fn note(&mut self, order: Option<Order>) -> Result<Record, End> {
        match order {
            Some(Order::Remember { group, started }) => {
                self.live.insert(group, started);
                Ok(Record::Remember { group, started })
            }
            Some(Order::Engine { written }) => {
                self.engines.insert(written.clone());
                Ok(Record::Engine(written))
            }
            Some(Order::Forget { group }) => {
                self.live.remove(&group);
                Ok(Record::Forget { group })
            }
            Some(Order::Goodbye { done }) => Err(End::Goodbye(done)),
            None => Err(End::Abandoned),
        }
    }
}
