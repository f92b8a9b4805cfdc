//! The life of one child, from its start to its last trace.
//!
//! * owns: the pidfd, the right to signal the group, the duty to reap
//! * receives: [`Order`]s
//! * ends: once nothing of the child is left ([`Gone`])

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::container::Contained;
use super::group::Group;
use super::ladder::{Ladder, Step};
use super::{ExitStatus, Order, Sweeper};

/// A child that runs or waits to be reaped. Dropped before that, it kills its group at once and synchronously, since a
/// runtime that shuts down drops tasks without running them; the rest of the clean-up follows if the runtime goes on.
#[derive(Debug)]
pub struct Process {
    /// `None` once reaped: from then on the pid may belong to somebody else.
    group: Option<Group>,
    marker: String,
    sweeper: Option<Sweeper>,
    /// What has to be ended besides the group.
    container: Option<Contained>,
}

/// Nothing of a child is left.
#[derive(Clone, Copy, Debug)]
pub struct Gone {
    /// How the child itself ended.
    pub status: ExitStatus,
    /// Descendants that had left the group, or were still dying in it, when the sweep ended them by their marker.
    pub swept: usize,
    /// Processor time of the child and of those it waited for, in seconds.
    pub cpu_seconds: f64,
}

impl Process {
    pub(super) fn new(group: Group, marker: String, container: Option<Contained>) -> Self {
        Self { group: Some(group), marker, sweeper: None, container }
    }

    /// Runs until nothing of the child is left. `exited` is called the moment its end is seen, before the group is swept:
    /// whoever waits for an answer is told then. Orders may come at any time; when they can come no more and none has,
    /// the child is killed.
    ///
    /// The future may be dropped at any time: see [`Process`].
    pub fn watch(
        mut self,
        orders: UnboundedReceiver<Order>,
        sweeper: Sweeper,
        exited: impl FnOnce(ExitStatus) + Send,
    ) -> impl Future<Output = Gone> + Send {
        if let Some(group) = &self.group {
            sweeper.guard().remember(group.pid(), group.started());
        }
        if let Some(container) = &self.container {
            sweeper.guard().remember_engine(container.engine());
        }
        // Here and not in the future, which may be dropped before it has run at all.
        self.sweeper = Some(sweeper.clone());
        self.run(orders, sweeper, exited)
    }

    async fn run(
        mut self,
        orders: UnboundedReceiver<Order>,
        sweeper: Sweeper,
        exited: impl FnOnce(ExitStatus) + Send,
    ) -> Gone {
        let Some(group) = &self.group else {
            return Gone { status: ExitStatus::Unknown, swept: 0, cpu_seconds: 0.0 };
        };
        let status = run_to_exit(group, self.container.as_ref(), orders).await;
        exited(status);
        let cpu_seconds = group.cpu_seconds();
        group.kill();
        if let Some(container) = &self.container {
            container.remove().await;
        }
        let swept = sweeper.sweep(&self.marker).await;
        sweeper.guard().forget(group.pid());
        group.reap();
        (self.group, self.container) = (None, None);
        Gone { status, swept, cpu_seconds }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(group) = self.group.take() else { return };
        group.kill();
        if let Some(container) = self.container.take() {
            container.remove_unattended();
        }
        let Ok(runtime) = Handle::try_current() else {
            group.reap();
            return;
        };
        let (marker, sweeper) = (std::mem::take(&mut self.marker), self.sweeper.take());
        // Dropped unrun if the runtime is going: the kill is done, and init reaps.
        runtime.spawn(async move {
            group.ended().await;
            let sweeper = sweeper.unwrap_or_else(Sweeper::new);
            sweeper.sweep(&marker).await;
            sweeper.guard().forget(group.pid());
            group.reap();
        });
    }
}

async fn run_to_exit(
    group: &Group,
    container: Option<&Contained>,
    mut orders: UnboundedReceiver<Order>,
) -> ExitStatus {
    let mut ladder = Ladder::Running;
    let mut owned = true;
    loop {
        let deadline = ladder.deadline();
        let step = tokio::select! {
            biased;
            status = group.ended() => return status,
            order = orders.recv(), if owned => match order {
                Some(order) => ladder.order(Instant::now(), order),
                None => {
                    owned = false;
                    ladder.owner_gone()
                }
            },
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                ladder.tick(Instant::now())
            }
        };
        match step {
            Some(Step::Terminate) => {
                let kill_at = ladder.deadline().unwrap_or_else(Instant::now);
                let grace = kill_at.saturating_duration_since(Instant::now());
                if !container.is_some_and(|container| container.stop(grace)) {
                    group.terminate();
                }
            }
            Some(Step::Kill) => group.kill(),
            None => {}
        }
    }
}
