//! The link against a server that misbehaves on demand.

mod answers;
mod failures;
mod mismatch;
mod only_stream;
mod server;
mod sessions;
mod streams;
mod tokens;

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::server::{Reply, Seen, serve};
use super::{Authorization, Dialect, HttpLink, HttpSpec, HttpSpecError, PostFailure, Upstream};

/// Generous: it only bounds a test that would hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same event, whatever is held with it.
impl PartialEq for Upstream {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Frame { wire, bytes, .. }, Self::Frame { wire: of, bytes: others, .. }) => {
                (wire, bytes) == (of, others)
            }
            _ => format!("{self:?}") == format!("{other:?}"),
        }
    }
}

/// One link, what it reports, and what its server sees.
struct World {
    link: HttpLink,
    events: mpsc::UnboundedReceiver<Upstream>,
    requests: mpsc::UnboundedReceiver<Seen>,
}

impl World {
    async fn new(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let (url, requests) = serve(reply).await;
        let (link, events) = link(&url);
        Self { link, events, requests }
    }

    fn request(&mut self, wire: u64) {
        self.link.post(request(wire), Some(wire));
    }

    async fn event(&mut self) -> Upstream {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("the link lives")
    }

    /// The next event that is not `Sent`.
    async fn outcome(&mut self) -> Upstream {
        loop {
            match self.event().await {
                Upstream::Sent { .. } => {}
                event => return event,
            }
        }
    }

    async fn seen(&mut self) -> Seen {
        timeout(PATIENCE, self.requests.recv()).await.expect("a request in time").expect("the server lives")
    }

    /// Initialises: the server must answer request 1 with a session id.
    async fn handshake(&mut self) {
        self.request(1);
        assert_eq!(self.outcome().await, frame(1, &answer(1)));
        self.link.established("2025-06-18");
        self.seen().await;
    }
}

fn spec(url: &str) -> HttpSpec {
    HttpSpec {
        url: url.to_owned(),
        headers: vec![("X-Key".to_owned(), "secret".to_owned())],
        authorization: Authorization::Configured,
        max_message_bytes: 1024,
        connect_timeout: PATIENCE,
        era: Default::default(),
        dialect: Dialect::Streamable,
        known: None,
    }
}

fn link(url: &str) -> (HttpLink, mpsc::UnboundedReceiver<Upstream>) {
    let (sender, events) = mpsc::unbounded_channel();
    let link = HttpLink::new(spec(url), move |event| drop(sender.send(event))).unwrap();
    (link, events)
}

fn request(wire: u64) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":{wire},"method":"tools/list"}}"#).into()
}

fn answer(wire: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{wire},"result":{{}}}}"#)
}

fn notice() -> String {
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#.to_owned()
}

fn frame(wire: u64, text: &str) -> Upstream {
    Upstream::Frame { wire: Some(wire), bytes: Bytes::copy_from_slice(text.as_bytes()), permit: None }
}

fn unsolicited(text: &str) -> Upstream {
    Upstream::Frame { wire: None, bytes: Bytes::copy_from_slice(text.as_bytes()), permit: None }
}

/// The id in the request's body.
fn wire_of(seen: &Seen) -> u64 {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    body["id"].as_u64().unwrap()
}

/// A server's first answer, with a session id, and `then` for all that follows.
fn with_session(
    then: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync {
    move |seen| match seen.header("mcp-session-id") {
        None if seen.method == "POST" => Reply::json("Mcp-Session-Id: s-1\r\n", &answer(wire_of(seen))),
        _ => then(seen),
    }
}
