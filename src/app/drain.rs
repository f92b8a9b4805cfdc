//! The end of the service: requests in flight finish, children leave, then the listeners close.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use mcpvisor_actors::Launcher;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::notify::Notify;
use super::stop::Stops;
use super::{Failure, LAST_TASKS, Outcome};
use crate::front::Front;

/// How long answers already made may take to reach their clients once every backend is gone.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Why the service ends.
pub(super) enum Ended {
    /// The first signal.
    Signal(&'static str),
    /// `POST /close`
    Closed,
    /// Supervision gave up at the root.
    GaveUp,
}

/// Everything that has to end.
pub(super) struct Service {
    pub(super) notify: Notify,
    pub(super) launcher: Launcher,
    pub(super) front: Arc<Front>,
    pub(super) front_task: JoinHandle<()>,
    pub(super) stop_front: CancellationToken,
    pub(super) admin_task: JoinHandle<()>,
    pub(super) stop_admin: CancellationToken,
}

impl Service {
    /// Drains within `gateway.drain_timeout`; a further signal ends it at once.
    pub(super) async fn end(self, why: Ended, stops: &mut Stops) -> Outcome {
        let (close, cause) = match why {
            Ended::GaveUp => return Err(Failure::GaveUp),
            Ended::Closed => (true, "POST /close"),
            Ended::Signal(name) => (false, name),
        };
        let timeout = self.launcher.config().gateway.drain_timeout;
        let deadline = Instant::now() + timeout;
        let sessions = self.front.session_count();
        tracing::info!(
            event = "service.draining",
            cause,
            sessions,
            timeout_s = timeout.as_secs(),
            "draining"
        );
        // First: who has been told that it stops must not find it ready.
        self.front.begin_drain(close);
        let at_most = timeout + 2 * LAST_ANSWERS + LAST_TASKS;
        self.notify.stopping(at_most, &format!("draining within {timeout:?}")).await;
        let escalated = self.launcher.clone();
        tokio::select! {
            () = self.drain(deadline, close) => {}
            () = escalated.escalated() => return Err(Failure::GaveUp),
            signal = stops.next() => {
                tracing::warn!(event = "service.killed", signal, "second signal: ending at once");
                return Err(Failure::Runtime(anyhow!("a second signal ended the drain; every server was killed")));
            }
        }
        tracing::info!(event = "service.drained", "drained");
        Ok(())
    }

    /// Metrics are served to the end: how a drain went is what one wants to see of it.
    async fn drain(self, deadline: Instant, close: bool) {
        self.launcher.drain(deadline, close).await;
        self.front.end_all().await;
        self.stop_front.cancel();
        let _ = tokio::time::timeout(LAST_ANSWERS, self.front_task).await;
        self.stop_admin.cancel();
        let _ = tokio::time::timeout(LAST_ANSWERS, self.admin_task).await;
    }
}
