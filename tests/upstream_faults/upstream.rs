//! An upstream server that is polite unless its script says otherwise, byte for byte if need be.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::common::eventually;
use super::reply::{Reply, Then};

/// A request as the upstream saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The JSON-RPC method of a POST (`response` for an answer), else the verb.
    pub what: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

/// What an upstream does instead of being polite; `None`: it is polite.
type Script = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

/// Its address stays the same while it is stopped. Dropping it ends it.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<DropGuard>,
}

struct Shared {
    script: Box<Script>,
    seen: ArcSwap<Vec<Seen>>,
    sessions: AtomicU64,
    /// How often `counter` was called, by session.
    counters: ArcSwap<HashMap<String, u64>>,
    /// Replies that wait for the other side to go.
    held: AtomicUsize,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn session(&self) -> &str {
        self.header("mcp-session-id")
    }

    /// The tool of a call.
    pub fn tool(&self) -> &str {
        self.body["params"]["name"].as_str().unwrap_or("")
    }

    /// The answer to it, as one message.
    pub fn answer(&self, result: &Value) -> String {
        json!({ "jsonrpc": "2.0", "id": self.body["id"], "result": result }).to_string()
    }

    /// The answer of a tool.
    pub fn text(&self, text: &str) -> String {
        self.answer(&json!({ "content": [{ "type": "text", "text": text }] }))
    }
}

impl Upstream {
    /// One that is always polite.
    pub async fn polite() -> Self {
        Self::start(|_| None).await
    }

    pub async fn start(script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Shared {
            script: Box::new(script),
            seen: ArcSwap::default(),
            sessions: 0.into(),
            counters: ArcSwap::default(),
            held: 0.into(),
        };
        let address = listener.local_addr().unwrap();
        let mut upstream = Self { address, shared: Arc::new(shared), running: None };
        upstream.serve(listener);
        upstream
    }

    fn serve(&mut self, listener: TcpListener) {
        let stop = CancellationToken::new();
        self.running = Some(stop.clone().drop_guard());
        let shared = self.shared.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serve(stream, shared.clone());
                tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
            }
        }));
    }

    /// Nobody listens there any more, and what was open is cut.
    pub async fn stop(&mut self) {
        self.running = None;
        let refused = async || TcpStream::connect(self.address).await.is_err().then_some(());
        eventually("the upstream is gone", refused).await;
    }

    /// After a stop.
    pub async fn start_again(&mut self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// As a backend of that name; `settings` are further lines of its section.
    pub fn backend(&self, name: &str, settings: &str) -> String {
        format!("[backends.{name}]\nurl = {:?}\n{settings}\n", self.url())
    }

    /// All it has seen of this, in order.
    pub fn saw(&self, what: &str) -> Vec<Seen> {
        self.shared.seen.load().iter().filter(|seen| seen.what == what).cloned().collect()
    }

    /// How often it has seen this.
    pub fn count(&self, what: &str) -> usize {
        self.saw(what).len()
    }

    /// Waits until it has seen this so often.
    pub async fn until(&self, what: &str, times: usize) {
        let seen = async || (self.count(what) >= times).then_some(());
        eventually(&format!("{what} reaches the upstream"), seen).await;
    }

    /// How many clients wait for the end of a reply that it holds open.
    pub fn held(&self) -> usize {
        self.shared.held.load(Relaxed)
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read(&mut stream).await {
        let reply = (shared.script)(&seen).unwrap_or_else(|| shared.polite(&seen));
        shared.seen.rcu(|all| [&***all, std::slice::from_ref(&seen)].concat());
        if let Some(when) = &reply.when {
            when.notified().await;
        }
        let _ = stream.write_all(&reply.bytes).await;
        match reply.then {
            Then::Keep => {}
            Then::Close => return,
            Then::Hold => {
                shared.held.fetch_add(1, Relaxed);
                let _ = stream.read_u8().await;
                shared.held.fetch_sub(1, Relaxed);
                return;
            }
        }
    }
}

impl Shared {
    fn polite(&self, seen: &Seen) -> Reply {
        let params = &seen.body["params"];
        match seen.what.as_str() {
            "initialize" => {
                let session = self.sessions.fetch_add(1, Relaxed) + 1;
                let result = json!({
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": { "tools": {}, "logging": {} },
                    "serverInfo": { "name": "scripted", "version": "1" },
                });
                Reply::json(&format!("Mcp-Session-Id: upstream-{session}\r\n"), &seen.answer(&result))
            }
            "tools/list" => {
                let tool = |name: &str, read_only: bool| json!({ "name": name, "inputSchema": { "type": "object" }, "annotations": { "readOnlyHint": read_only } });
                let tools = json!({ "tools": [tool("counter", false), tool("look", true)] });
                Reply::json("", &seen.answer(&tools))
            }
            "tools/call" if seen.tool() == "counter" => {
                let session = seen.session();
                let counters = self.counters.rcu(|counters| {
                    let mut counters = HashMap::clone(counters);
                    *counters.entry(session.to_owned()).or_default() += 1;
                    counters
                });
                let before = counters.get(session).copied().unwrap_or_default();
                Reply::json("", &seen.text(&(before + 1).to_string()))
            }
            "tools/call" => Reply::json("", &seen.text(seen.tool())),
            "GET" => Reply::status("405 Method Not Allowed", "", ""),
            "DELETE" => Reply::status("200 OK", "", ""),
            _ if seen.body["id"].is_null() || seen.what == "response" => {
                Reply::status("202 Accepted", "", "")
            }
            _ => Reply::json("", &seen.answer(&json!({}))),
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let mut lines = head.lines();
    let verb = lines.next()?.split(' ').next()?.to_owned();
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers: HashMap<_, _> = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let what = match verb.as_str() {
        "POST" => body["method"].as_str().unwrap_or("response").to_owned(),
        _ => verb,
    };
    Some(Seen { what, headers, body })
}
