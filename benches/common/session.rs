//! An MCP session: opened, used over any number of connections, closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::http::{Connection, Target};
use super::message;
use super::tool::{Era, MODERN_VERSION, Tool};

/// Names the session of a modern client, where mcpvisor is configured with `session.header`.
pub(crate) const SESSION_HEADER: &str = "X-Bench-Session";

const POST: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

/// An open session. Its clones are the same session.
#[derive(Clone)]
pub(crate) struct Session {
    target: Target,
    /// The head of its POSTs.
    head: Arc<[u8]>,
    pub(crate) id: Arc<str>,
    calls: Arc<AtomicU64>,
    tool: Tool,
    era: Era,
}

/// One connection that calls, one call at a time.
pub(crate) struct Caller {
    session: Session,
    connection: Connection,
    call: String,
}

/// How a call ended.
pub(crate) enum Called {
    /// With the right answer.
    Answered {
        /// When the call went out.
        sent: Instant,
        /// When the whole answer was there.
        at: Instant,
    },
    /// With an error of this code.
    Error(i64),
}

/// What became of an `initialize`.
pub(crate) enum Opening {
    Session(Session),
    /// It was refused as what it is, too much, in these words.
    Refused(String),
}

impl Session {
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        match Self::attempt(target).await? {
            Opening::Session(session) => Ok(session),
            Opening::Refused(cause) => anyhow::bail!("initialize was refused: {cause}"),
        }
    }

    /// Opens one that may be refused. Anything else but a session or a refusal with a cause fails.
    pub(crate) async fn attempt(target: &Target) -> anyhow::Result<Opening> {
        let mut connection = target.connect().await?;
        let response = connection.exchange(&target.head("POST", POST), &message::initialize()).await?;
        if matches!(response.status(), 429 | 503) {
            let cause = message::error_message(response.body()).context("a refusal without a cause")?;
            return Ok(Opening::Refused(cause));
        }
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
        let (calls, tool, era) = (Arc::default(), Tool::Echo, Era::Legacy);
        Ok(Opening::Session(Self { target: target.clone(), head, id, calls, tool, era }))
    }

    /// What a client of the modern era has instead: nothing that is opened, but a name in each request.
    pub(crate) fn named(target: &Target, name: &str, tool: Tool) -> Self {
        let headers = format!(
            "{POST}Mcp-Protocol-Version: {MODERN_VERSION}\r\nMcp-Method: tools/call\r\nMcp-Name: {}\r\n\
             {SESSION_HEADER}: {name}\r\n",
            tool.name()
        );
        let head = target.head("POST", &headers).into();
        let (calls, era) = (Arc::default(), Era::Modern);
        Self { target: target.clone(), head, id: name.into(), calls, tool, era }
    }

    /// The same, calling another tool.
    pub(crate) fn calling(mut self, tool: Tool) -> Self {
        self.tool = tool;
        self
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
        let mut connection = self.target.connect().await?;
        connection.response.expect_before(self.tool.messages_before());
        Ok(Caller { session: self.clone(), connection, call: String::new() })
    }

    /// For a request: no two of the session have the same.
    pub(crate) fn next_id(&self) -> u64 {
        self.calls.fetch_add(1, Relaxed) + 1
    }

    /// A modern client has nothing to close.
    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        if self.era == Era::Modern {
            return Ok(());
        }
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
        let (sent, at) = self.answered().await?;
        Ok(at - sent)
    }

    /// The same; when the call went out, and when its answer was there.
    pub(crate) async fn answered(&mut self) -> anyhow::Result<(Instant, Instant)> {
        match self.attempt().await? {
            Called::Answered { sent, at } => Ok((sent, at)),
            Called::Error(_) => {
                anyhow::bail!("a call failed: {}", String::from_utf8_lossy(self.connection.response.body()))
            }
        }
    }

    /// One call whose response is read so many bytes at a time, with a pause after each; nobody looks at it.
    pub(crate) async fn sip(&mut self, bytes: usize, pause: Duration) -> anyhow::Result<()> {
        let (id, Session { tool, era, .. }) = (self.session.next_id(), &self.session);
        tool.write_call(*era, &mut self.call, id);
        self.connection.sip(&self.session.head, &self.call, bytes, pause).await
    }

    /// One call that may end with a JSON-RPC error. Anything else but the right answer fails.
    pub(crate) async fn attempt(&mut self) -> anyhow::Result<Called> {
        let (id, Session { tool, era, .. }) = (self.session.next_id(), &self.session);
        tool.write_call(*era, &mut self.call, id);
        let sent = Instant::now();
        let response = self.connection.exchange(&self.session.head, &self.call).await?;
        let (answer, at) = response.answer()?;
        // Looked for where an error would stand: an answer may be long.
        let begin = &answer[..answer.len().min(256)];
        if let Some(code) =
            memchr::memmem::find(begin, br#""error""#).and_then(|_| message::error_code(answer))
        {
            return Ok(Called::Error(code));
        }
        tool.check(answer, id)?;
        tool.check_before(response.body(), id)?;
        let answers = response.answers();
        ensure!(answers == tool.messages_before() + 1, "{answers} messages to one call");
        Ok(Called::Answered { sent, at })
    }
}
