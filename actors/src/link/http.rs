//! The link to an upstream server over Streamable HTTP (MCP 2025-03-26 to 2026-07-28, "Transports"), or over the HTTP with SSE
//! that was before it (2024-11-05): one stream for all that the server says, and POSTs that are only acknowledged.
//!
//! ```text
//! HttpLink            owned by one connection; dropping it ends every task below
//!  ├─ notices         POSTs that expect no answer (notifications, answers to the server)
//!  ├─ requests        one POST per request, as many at once as there are requests
//!  └─ stream          the standalone GET stream, or the only one
//! ```
//! Tasks report through one callback, in the order in which things happened to their request. Every
//! request posted with a wire id ends exactly once, unless aborted: by the frame that answers it, by
//! [`Upstream::PostFailed`] or by [`Upstream::SessionLost`].

mod authorization;
mod body;
mod client;
mod endpoint;
mod event;
mod mirror;
mod only_stream;
mod post;
mod reading;
mod standalone;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod tool_list;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::authorization::Authorization;
use self::endpoint::Endpoint;
pub use self::endpoint::HttpSpecError;
use self::event::Events;
pub use self::event::{PostFailure, Upstream};
use self::post::Post;
pub(crate) use self::token::Tokens;
pub use self::token::{TokenError, TokenSource};
use crate::credentials::Credentials;
use crate::era::Era;
use crate::message::Envelope;
use crate::mirrored::KnownTools;

/// Finished requests are forgotten when this many have gathered, or twice as many as were still open.
const FORGET_AT: usize = 64;

/// Which of the two transports over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Streamable HTTP.
    #[default]
    Streamable,
    /// HTTP with SSE.
    Sse,
}

/// Where and how an upstream server is reached. No `Debug`: URL and headers may hold secrets.
#[derive(Clone)]
pub struct HttpSpec {
    /// Its MCP endpoint, `http` or `https`.
    pub url: String,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// What says who asks, besides those. Nothing else of the client's is sent.
    pub authorization: Authorization,
    /// The longest message accepted from the server, in bytes.
    pub max_message_bytes: usize,
    /// How long name resolution, TCP and TLS may take together.
    pub connect_timeout: Duration,
    /// How the server is spoken to.
    pub era: Era,
    /// Over which transport.
    pub dialect: Dialect,
    /// Of the arguments of its tools that headers repeat.
    pub known: Option<Arc<dyn KnownTools>>,
}

/// One incarnation's link to its upstream server.
pub struct HttpLink {
    endpoint: Arc<Endpoint>,
    events: Events,
    notices: JoinSet<()>,
    requests: JoinSet<()>,
    by_wire: HashMap<u64, AbortHandle>,
    forget_at: usize,
    stream: JoinSet<()>,
    /// Set with `initialized`; cancelled once the server has seen it.
    gate: Option<CancellationToken>,
}

impl HttpLink {
    /// A link that has not spoken yet. Over Streamable HTTP nothing connects before the first post; the stream of the older
    /// transport is opened at once, and posts wait for it.
    ///
    /// `events` is called from several tasks and must return at once.
    ///
    /// # Errors
    /// The URL or a header cannot be used, or no trusted certificates were found for `https`.
    pub fn new(
        spec: HttpSpec,
        events: impl Fn(Upstream) + Send + Sync + 'static,
    ) -> Result<Self, HttpSpecError> {
        let dialect = spec.dialect;
        let mut link = Self {
            endpoint: Arc::new(Endpoint::new(spec)?),
            events: Arc::new(events),
            notices: JoinSet::new(),
            requests: JoinSet::new(),
            by_wire: HashMap::new(),
            forget_at: FORGET_AT,
            stream: JoinSet::new(),
            gate: None,
        };
        if dialect == Dialect::Sse {
            link.stream.spawn(only_stream::run(link.endpoint.clone(), link.events.clone()));
        }
        Ok(link)
    }

    /// Sends one JSON-RPC message. `wire` is the id of a request, as the number that stands in its `id`;
    /// `None` for everything that expects no answer.
    ///
    /// Each POST may travel on a connection of its own, so what is posted after `notifications/initialized`
    /// waits until the server has acknowledged that (10 s at most).
    pub fn post(&mut self, frame: Bytes, wire: Option<u64>) {
        self.post_for(None, frame, wire);
    }

    /// The same in the name of a client, where it is the client's credentials that go along ([`Authorization::Client`]).
    pub fn post_for(&mut self, whose: Option<Credentials>, frame: Bytes, wire: Option<u64>) {
        let is_initialized = wire.is_none() && self.gate.is_none() && is_initialized(&frame);
        let post = Post::new(self.endpoint.clone(), self.events.clone(), frame, wire).shown(whose);
        let post = post.run(self.gate.clone());
        let Some(wire) = wire else {
            while self.notices.try_join_next().is_some() {}
            // Opened whichever way the task ends.
            let opens =
                is_initialized.then(|| self.gate.insert(CancellationToken::new()).clone().drop_guard());
            self.notices.spawn(async move {
                let _opens = opens;
                post.await;
            });
            return;
        };
        while self.requests.try_join_next().is_some() {}
        if self.by_wire.len() >= self.forget_at {
            self.by_wire.retain(|_, open| !open.is_finished());
            self.forget_at = FORGET_AT.max(self.by_wire.len() * 2);
        }
        let handle = self.requests.spawn(post);
        self.by_wire.insert(wire, handle);
    }

    /// The handshake was answered: `protocol_version` goes along from now on. (The session id was taken
    /// from the head of that answer, before its frame was reported.)
    pub fn established(&mut self, protocol_version: &str) {
        self.endpoint.set_version(protocol_version);
    }

    /// Opens the standalone GET stream, once `initialized` is out, and keeps it open.
    pub fn open_stream(&mut self) {
        if self.endpoint.is_sse() {
            return;
        }
        self.stream.abort_all();
        self.stream.spawn(standalone::run(self.endpoint.clone(), self.events.clone(), self.gate.clone()));
    }

    /// The answer to this request is no longer wanted: its POST ends, and nothing more is reported of it
    /// but what is being reported at this moment. To the server that is a lost connection, not a cancel.
    pub fn abort(&mut self, wire: u64) {
        if let Some(open) = self.by_wire.remove(&wire) {
            open.abort();
        }
    }

    /// Ends the server's session with a DELETE and then everything else, within `deadline`. Notices still
    /// on their way (a `cancelled`, say) get half of it; requests still open are aborted first.
    pub async fn close(mut self, deadline: Duration) {
        self.stream.abort_all();
        self.requests.abort_all();
        let endpoint = self.endpoint.clone();
        let farewell = async {
            let delivered = async { while self.notices.join_next().await.is_some() {} };
            // Late notices are lost either way: the session must not be.
            let _ = timeout(deadline / 2, delivered).await;
            endpoint.delete().await;
        };
        // Best effort: a server that does not listen keeps its session until it expires there.
        let _ = timeout(deadline, farewell).await;
    }
}

fn is_initialized(frame: &Bytes) -> bool {
    Envelope::parse(frame.clone()).is_ok_and(|message| message.method() == Some("notifications/initialized"))
}
