//! An upstream over HTTP that hangs, refuses and goes away as a test wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::HttpServer;

/// One connection per request, so that each has to be accepted.
pub struct Upstream {
    pub url: String,
    known: Arc<Known>,
    server: HttpServer,
}

#[derive(Default)]
struct Known {
    sessions: AtomicUsize,
    /// Of the sessions up to this one every request waits for ever.
    hanging: AtomicUsize,
    /// Pings are refused with this status; 0: they are answered.
    ping_status: AtomicU16,
    pings: AtomicUsize,
}

impl Upstream {
    pub async fn start() -> Self {
        let known = Arc::<Known>::default();
        let shared = known.clone();
        let server = HttpServer::start(move |request| answer(shared.clone(), request)).await;
        Self { url: format!("http://{}/mcp", server.address), known, server }
    }

    /// Whoever has a session now gets no answer any more.
    pub fn hang(&self) {
        self.known.hanging.store(self.sessions(), SeqCst);
    }

    pub fn refuse_pings(&self, status: u16) {
        self.known.ping_status.store(status, SeqCst);
    }

    /// Nobody gets in any more; who is in, stays.
    pub fn close_the_door(&self) {
        self.server.close_the_door();
    }

    /// Sessions so far.
    pub fn sessions(&self) -> usize {
        self.known.sessions.load(SeqCst)
    }

    /// Pings so far.
    pub fn pings(&self) -> usize {
        self.known.pings.load(SeqCst)
    }
}

async fn answer(known: Arc<Known>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        let status = if request.method() == Method::GET { 405 } else { 200 };
        return reply(status, None);
    }
    let session = request.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().parse().unwrap());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let method = message["method"].as_str().unwrap_or_default();
    if method == "ping" {
        known.pings.fetch_add(1, SeqCst);
    }
    if session.is_some_and(|session: usize| session <= known.hanging.load(SeqCst)) {
        std::future::pending::<()>().await;
    }
    let result = match method {
        "initialize" => {
            let result = json!({
                "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
                "serverInfo": { "name": "upstream", "version": "1" },
            });
            let number = known.sessions.fetch_add(1, SeqCst) + 1;
            let mut reply =
                reply(200, Some(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })));
            reply.headers_mut().insert("mcp-session-id", number.into());
            return reply;
        }
        "ping" if known.ping_status.load(SeqCst) != 0 => {
            return reply(known.ping_status.load(SeqCst), None);
        }
        "tools/call" => {
            let ms = message["params"]["arguments"]["ms"].as_u64().unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(ms)).await;
            json!({ "content": [{ "type": "text", "text": format!("slept {ms} ms") }] })
        }
        _ => json!({}),
    };
    if message["id"].is_null() {
        return reply(202, None);
    }
    reply(200, Some(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })))
}

fn reply(status: u16, body: Option<Value>) -> Response<Full<Bytes>> {
    let text = body.map(|body| body.to_string()).unwrap_or_default();
    let reply = Response::builder().status(status).header("content-type", "application/json");
    reply.body(Full::new(text.into())).unwrap()
}
