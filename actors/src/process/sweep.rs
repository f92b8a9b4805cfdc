//! The sweep: ends whatever carries a marker in its environment, wherever it has gone.
//!
//! The group is killed first and without it; this catches what has left the group (`setsid`). One task takes all
//! requests, and those that arrive during a pass share the next one: when 500 children die at once, `/proc` is read
//! twice, not 500 times. It is read on a blocking thread.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::marker_of_all;
use crate::children::Children;
use crate::confine::Confiner;
use crate::guard::Guard;

mod pass;

pub(crate) use pass::carries;

/// Longer than any honest pass. Reading the environment of a process that is stuck in the kernel can take for ever, and
/// must not keep every other connection from its end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A handle to the sweeping task, which ends with its last handle, to the guard, who sweeps when we no longer can, to
/// whoever looks at what the children use, and to how they confine themselves.
#[derive(Clone, Debug)]
pub struct Sweeper {
    requests: mpsc::UnboundedSender<Request>,
    guard: Guard,
    children: Children,
    confiner: Confiner,
}

#[derive(Debug)]
struct Request {
    marker: String,
    swept: oneshot::Sender<usize>,
}

impl Sweeper {
    /// Starts the task; there is no guard. Must be called in the context of a runtime.
    #[allow(clippy::new_without_default, reason = "it starts a task")]
    pub fn new() -> Self {
        Self::with(Guard::none(), Children::watch(), Confiner::none())
    }

    /// Starts the task. Must be called in the context of a runtime.
    pub(crate) fn with(guard: Guard, children: Children, confiner: Confiner) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        tokio::spawn(serve(inbox));
        Self { requests, guard, children, confiner }
    }

    /// Who ends the groups it knows if this process is killed.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Who looks at what they use.
    pub(crate) fn children(&self) -> &Children {
        &self.children
    }

    /// How a child confines itself.
    pub(crate) fn confiner(&self) -> &Confiner {
        &self.confiner
    }

    /// Ends every process of our user (as root: of any) whose environment holds exactly this marker, and returns how many there were. A few
    /// milliseconds, at most 2 s; 0 when the runtime is shutting down.
    pub async fn sweep(&self, marker: &str) -> usize {
        let (swept, answer) = oneshot::channel();
        if self.requests.send(Request { marker: marker.to_owned(), swept }).is_err() {
            return 0;
        }
        answer.await.unwrap_or(0)
    }
}

/// Ends everything of our user (as root: of any) that carries a marker of one of these instances, whatever the incarnation, and returns how
/// many there were. Blocking.
pub(crate) fn end_instances(instances: &[String]) -> usize {
    let markers: BTreeSet<String> = instances.iter().map(|instance| marker_of_all(instance)).collect();
    pass::end_marked(markers.into_iter().collect()).into_iter().sum()
}

async fn serve(mut inbox: mpsc::UnboundedReceiver<Request>) {
    let mut batch = Vec::new();
    while inbox.recv_many(&mut batch, usize::MAX).await > 0 {
        let markers = batch.iter().map(|request| request.marker.clone()).collect();
        let pass = tokio::task::spawn_blocking(move || pass::end_marked(markers));
        let counts = match tokio::time::timeout(PATIENCE, pass).await {
            Ok(Ok(counts)) => counts,
            Ok(Err(error)) => {
                tracing::error!(%error, "a sweep for left-over processes failed");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(
                    "a sweep for left-over processes takes too long: a process is stuck in the kernel"
                );
                Vec::new()
            }
        };
        for (place, request) in batch.drain(..).enumerate() {
            // Nobody waits any more if the process was dropped; the sweep was done all the same.
            let _ = request.swept.send(counts.get(place).copied().unwrap_or(0));
        }
    }
}
