//! What the processes of backends use: their number, memory, CPU time, file descriptors.
//!
//! * owns: the ledger of groups that live and of what those that ended have used
//! * receives: births and ends, from the tasks that watch the children
//! * publishes: a snapshot every [`EVERY`], after one pass over `/proc` off the runtime; who reads it never waits
//! * ends with its last handle

mod ledger;
mod pass;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, MissedTickBehavior};

use ledger::Ledger;

/// Reading `/proc` of a thousand processes takes tens of milliseconds: not oftener.
const EVERY: Duration = Duration::from_secs(10);

/// What the processes of one backend use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BackendUsage {
    /// Servers that were seen, each with what it has started.
    pub servers: u64,
    /// Processes of all of them.
    pub processes: u64,
    /// Resident memory, in bytes; pages that are shared count in each.
    pub memory: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// User and system time, with that of processes that have ended, in seconds. Never falls.
    pub cpu_seconds: f64,
}

/// The same of all backends that have ever had a process, at one moment.
#[derive(Debug, Clone)]
pub struct ChildrenUsage {
    at: Instant,
    /// By the name of the backend.
    pub backends: BTreeMap<Arc<str>, BackendUsage>,
}

impl ChildrenUsage {
    /// How long ago that was.
    pub fn age(&self) -> Duration {
        self.at.elapsed()
    }
}

/// Resident memory of each of these processes and of what it has started, in bytes, now: servers lead their process groups, and
/// the one that `npx` starts is in its group. Read off the runtime, as a busy machine makes `/proc` slow.
pub async fn resident_bytes(leaders: Vec<Option<u32>>) -> Vec<Option<u64>> {
    let read = move || {
        let groups: HashSet<u32> = leaders.iter().copied().flatten().collect();
        let seen = if groups.is_empty() { HashMap::new() } else { pass::pass(&groups) };
        leaders.into_iter().map(|leader| Some(seen.get(&leader?)?.memory)).collect()
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

/// Where births and ends are told, and the snapshot is read.
#[derive(Debug, Clone)]
pub(crate) struct Children {
    news: UnboundedSender<News>,
    seen: Arc<ArcSwap<ChildrenUsage>>,
}

#[derive(Debug)]
enum News {
    Born { incarnation: u64, backend: Arc<str>, group: u32 },
    Gone { incarnation: u64, cpu_seconds: f64 },
}

impl Children {
    /// Starts the task. Must be called in the context of a runtime.
    pub(crate) fn watch() -> Self {
        let (news, inbox) = mpsc::unbounded_channel();
        let nothing = ChildrenUsage { at: Instant::now(), backends: BTreeMap::new() };
        let seen = Arc::new(ArcSwap::from_pointee(nothing));
        tokio::spawn(run(inbox, seen.clone()));
        Self { news, seen }
    }

    /// A child leads a group of its own. Its end has to be told.
    pub(crate) fn born(&self, incarnation: u64, backend: &str, group: u32) {
        // The task ends with the runtime.
        let _ = self.news.send(News::Born { incarnation, backend: backend.into(), group });
    }

    /// Nothing of the child is left; it and those that it waited for have used so much CPU time.
    pub(crate) fn gone(&self, incarnation: u64, cpu_seconds: f64) {
        let _ = self.news.send(News::Gone { incarnation, cpu_seconds });
    }

    /// What was seen last.
    pub(crate) fn usage(&self) -> Arc<ChildrenUsage> {
        self.seen.load_full()
    }
}

async fn run(mut inbox: UnboundedReceiver<News>, seen: Arc<ArcSwap<ChildrenUsage>>) {
    let mut ledger = Ledger::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            news = inbox.recv() => match news {
                Some(news) => ledger.learn(news),
                None => return,
            },
            _ = ticks.tick() => look(&mut ledger, &seen).await,
        }
    }
}

async fn look(ledger: &mut Ledger, seen: &ArcSwap<ChildrenUsage>) {
    let groups = ledger.groups();
    if !groups.is_empty() {
        // One that fails, or is dropped because the runtime ends, has seen nothing new.
        let Ok(samples) = tokio::task::spawn_blocking(move || pass::pass(&groups)).await else { return };
        ledger.seen(&samples);
    }
    seen.store(Arc::new(ChildrenUsage { at: Instant::now(), backends: ledger.usage() }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server behind `npx` would seem to need no memory.
    #[tokio::test]
    async fn memory_is_that_of_the_group() {
        let own = rustix::process::getpgrp().as_raw_nonzero().get().cast_unsigned();
        let read = resident_bytes(vec![Some(own), None, Some(u32::MAX)]).await;
        assert!(matches!(read[..], [Some(bytes), None, None] if bytes > 1_000_000), "{read:?}");
    }
}
