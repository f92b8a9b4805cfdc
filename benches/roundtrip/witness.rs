//! Sessions that call at a steady rate, to see what becomes of them while others misbehave.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::common::http::Target;
use crate::common::pace::Clock;
use crate::common::session::Session;
use crate::common::spread::Spread;

const SESSIONS: u32 = 4;
/// Of one session. Few enough that an idle machine is never late.
const EVERY: Duration = Duration::from_millis(10);

/// They go on until [`Witness::end`].
pub(crate) struct Witness {
    sessions: Vec<Session>,
    running: JoinSet<anyhow::Result<()>>,
    /// When each call was due, and how long after that its answer was there.
    calls: UnboundedReceiver<(Instant, Duration)>,
    end: CancellationToken,
}

impl Witness {
    pub(crate) async fn start(target: &Target) -> anyhow::Result<Self> {
        let sessions = Session::open_all(target, SESSIONS as usize).await?;
        let ((call, calls), end) = (unbounded_channel(), CancellationToken::new());
        let (mut running, mut clock) = (JoinSet::new(), Clock::default());
        let begin = Instant::now() + EVERY;
        for (number, session) in sessions.iter().enumerate() {
            let mut moments = clock.moments(begin + EVERY * number as u32 / SESSIONS, EVERY);
            let (mut caller, call, end) = (session.caller().await?, call.clone(), end.clone());
            running.spawn(async move {
                while let Some(due) = moments.recv().await {
                    if end.is_cancelled() {
                        break;
                    }
                    let (_, at) = caller.answered().await?;
                    // Nobody looks any more once the measurement has failed.
                    let _ = call.send((due, at - due));
                }
                Ok(())
            });
        }
        clock.start();
        Ok(Self { sessions, running, calls, end })
    }

    /// What the calls took that were due while that went on.
    pub(crate) async fn during<T>(&mut self, what: impl Future<Output = T>) -> anyhow::Result<(Spread, T)> {
        let begin = Instant::now();
        let outcome = what.await;
        let end = Instant::now();
        // For the last ones to be answered.
        tokio::time::sleep(EVERY * 10).await;
        let calls = std::iter::from_fn(|| self.calls.try_recv().ok());
        let took = calls.filter(|(due, _)| (begin..end).contains(due)).map(|(_, took)| took);
        Ok((Spread::of(took), outcome))
    }

    /// Fails if a call did.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.end.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended??;
        }
        for session in &self.sessions {
            session.close().await?;
        }
        Ok(())
    }
}
