//! An MCP session: opened, used over any number of connections, closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::http::{Connection, Target};
use super::message;

const POST: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

/// An open session. Its clones are the same session.
#[derive(Clone)]
pub(crate) struct Session {
    target: Target,
    /// The head of its POSTs.
    head: Arc<[u8]>,
    pub(crate) id: Arc<str>,
    calls: Arc<AtomicU64>,
}

/// One connection that calls, one call at a time.
pub(crate) struct Caller {
    session: Session,
    connection: Connection,
    call: String,
}

/// How a call ended.
pub(crate) enum Called {
    /// With the right answer, after this long.
    Answered(Duration),
    /// With an error of this code.
    Error(i64),
}

impl Session {
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        let mut connection = target.connect().await?;
        let response = connection.exchange(&target.head("POST", POST), &message::initialize()).await?;
        response.answer().context("initialize")?;
        let id: Arc<str> = response.session().context("the server gave no session id")?.into();
        let headers = format!("{POST}Mcp-Session-Id: {id}\r\nMcp-Protocol-Version: {}\r\n", message::VERSION);
        let head: Arc<[u8]> = target.head("POST", &headers).into();
        let response = connection.exchange(&head, message::INITIALIZED).await?;
        ensure!(
            response.status() == 202,
            "notifications/initialized was answered with {}",
            response.status()
        );
        Ok(Self { target: target.clone(), head, id, calls: Arc::default() })
    }

    /// Several at a time, as fast as the server makes them.
    pub(crate) async fn open_all(target: &Target, count: usize) -> anyhow::Result<Vec<Self>> {
        let opening: Vec<_> = (0..count)
            .map(|_| {
                let target = target.clone();
                tokio::spawn(async move { Self::open(&target).await })
            })
            .collect();
        let mut sessions = Vec::with_capacity(count);
        for session in opening {
            sessions.push(session.await??);
        }
        Ok(sessions)
    }

    pub(crate) async fn caller(&self) -> anyhow::Result<Caller> {
        let connection = self.target.connect().await?;
        Ok(Caller { session: self.clone(), connection, call: String::new() })
    }

    /// For a request: no two of the session have the same.
    pub(crate) fn next_id(&self) -> u64 {
        self.calls.fetch_add(1, Relaxed) + 1
    }

    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        let headers =
            format!("Mcp-Session-Id: {}\r\nMcp-Protocol-Version: {}\r\n", self.id, message::VERSION);
        let mut connection = self.target.connect().await?;
        let response = connection.exchange(&self.target.head("DELETE", &headers), "").await?;
        ensure!((200..300).contains(&response.status()), "DELETE was answered with {}", response.status());
        Ok(())
    }
}

impl Caller {
    /// Sends this request; its answer, and when that was there. Whoever gets several, or none, is told so.
    pub(crate) async fn request(&mut self, body: &str) -> anyhow::Result<(&[u8], Instant)> {
        let response = self.connection.exchange(&self.session.head, body).await?;
        let answers = response.answers();
        ensure!(answers == 1, "{answers} answers: {}", String::from_utf8_lossy(response.body()));
        response.answer()
    }

    /// One call, whose answer must be right; how long that took.
    pub(crate) async fn call(&mut self) -> anyhow::Result<Duration> {
        match self.attempt().await? {
            Called::Answered(took) => Ok(took),
            Called::Error(_) => {
                anyhow::bail!("a call failed: {}", String::from_utf8_lossy(self.connection.response.body()))
            }
        }
    }

    /// One call that may end with a JSON-RPC error. Anything else but the right answer fails.
    pub(crate) async fn attempt(&mut self) -> anyhow::Result<Called> {
        let id = self.session.next_id();
        message::call(&mut self.call, id);
        let sent = Instant::now();
        let response = self.connection.exchange(&self.session.head, &self.call).await?;
        let (answer, at) = response.answer()?;
        if let Some(code) =
            memchr::memmem::find(answer, br#""error""#).and_then(|_| message::error_code(answer))
        {
            return Ok(Called::Error(code));
        }
        message::check(answer, id)?;
        Ok(Called::Answered(at - sent))
    }
}
