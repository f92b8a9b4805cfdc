//! Sessions that call at a steady rate, to see what becomes of them while others misbehave.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
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
    calls: Arc<Mutex<Vec<(Instant, Duration)>>>,
    end: CancellationToken,
}

impl Witness {
    pub(crate) async fn start(target: &Target) -> anyhow::Result<Self> {
        let sessions = Session::open_all(target, SESSIONS as usize).await?;
        let (calls, end) = (Arc::<Mutex<Vec<_>>>::default(), CancellationToken::new());
        let (mut running, mut clock) = (JoinSet::new(), Clock::default());
        let begin = Instant::now() + EVERY;
        for (number, session) in sessions.iter().enumerate() {
            let mut moments = clock.moments(begin + EVERY * number as u32 / SESSIONS, EVERY);
            let (mut caller, calls, end) = (session.caller().await?, calls.clone(), end.clone());
            running.spawn(async move {
                while let Some(due) = moments.recv().await {
                    if end.is_cancelled() {
                        break;
                    }
                    let (_, at) = caller.answered().await?;
                    calls.lock().await.push((due, at - due));
                }
                Ok(())
            });
        }
        clock.start();
        Ok(Self { sessions, running, calls, end })
    }

    /// What the calls took that were due while that went on.
    pub(crate) async fn during<T>(&self, what: impl Future<Output = T>) -> anyhow::Result<(Spread, T)> {
        let begin = Instant::now();
        let outcome = what.await;
        let end = Instant::now();
        // For the last ones to be answered.
        tokio::time::sleep(EVERY * 10).await;
        let calls = self.calls.lock().await;
        let took = calls.iter().filter(|(due, _)| (begin..end).contains(due)).map(|(_, took)| *took);
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
