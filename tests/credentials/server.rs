//! A server that notes what it is shown, and lets in whom a test wants it to. It gives tokens as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::common::HttpServer;

pub struct Server {
    pub url: String,
    known: Arc<Known>,
    _server: HttpServer,
}

#[derive(Default)]
struct Known {
    seen: watch::Sender<Vec<Seen>>,
    /// The only credentials that it takes; `None`: any, or none.
    takes: watch::Sender<Option<String>>,
    /// What it says to who wants a token; `None`: it gives one.
    denies: watch::Sender<Option<(u16, String)>>,
    tokens: AtomicUsize,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The method of the message, else that of HTTP.
    pub what: String,
    pub authorization: Option<String>,
    /// All headers and the body.
    pub whole: String,
}

impl Server {
    pub async fn start() -> Self {
        let known = Arc::<Known>::default();
        let shared = known.clone();
        let server = HttpServer::start(move |request| answer(shared.clone(), request)).await;
        Self { url: format!("http://{}", server.address), known, _server: server }
    }

    pub fn backend(&self, name: &str, settings: &str) -> String {
        format!("[backends.{name}]\nurl = \"{}/mcp\"\nliveness = \"off\"\n{settings}\n", self.url)
    }

    pub fn takes_only(&self, authorization: &str) {
        self.known.takes.send_replace(Some(authorization.to_owned()));
    }

    pub fn denies_tokens(&self, status: u16, body: &str) {
        self.known.denies.send_replace(Some((status, body.to_owned())));
    }

    pub fn tokens(&self) -> usize {
        self.known.tokens.load(Relaxed)
    }

    /// What has come so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.known.seen.borrow().clone()
    }

    /// What each request of this kind was shown with.
    pub fn shown(&self, what: &str) -> Vec<Option<String>> {
        self.seen().into_iter().filter(|seen| seen.what == what).map(|seen| seen.authorization).collect()
    }
}

async fn answer(known: Arc<Known>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let is_token = head.uri.path() == "/token";
    let what = match message["method"].as_str() {
        Some(method) => method.to_owned(),
        None if is_token => "token".to_owned(),
        None => head.method.to_string(),
    };
    let whole = format!("{:?} {}", head.headers, String::from_utf8_lossy(&body));
    let seen = Seen { what: what.clone(), authorization: authorization.clone(), whole };
    known.seen.send_modify(|all| all.push(seen));
    if is_token {
        if let Some((status, body)) = known.denies.borrow().clone() {
            return reply(status, &body);
        }
        let tokens = known.tokens.fetch_add(1, Relaxed) + 1;
        let token =
            json!({ "access_token": format!("token-{tokens}"), "token_type": "Bearer", "expires_in": 3600 });
        return reply(200, &token.to_string());
    }
    if known.takes.borrow().as_ref().is_some_and(|takes| authorization.as_ref() != Some(takes)) {
        let mut refused = reply(401, "who are you");
        let challenge = "Bearer resource_metadata=\"https://upstream/.well-known\", error=\"invalid_token\"";
        refused.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
        return refused;
    }
    if head.method != "POST" {
        return reply(if head.method == "GET" { 405 } else { 200 }, "");
    }
    if message["id"].is_null() {
        return reply(202, "");
    }
    let result = match what.as_str() {
        "initialize" => json!({
            "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
            "serverInfo": { "name": "upstream", "version": "1" },
        }),
        "server/discover" => json!({ "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} } }),
        "tools/list" => json!({ "tools": [{ "name": "t", "inputSchema": { "type": "object" } }] }),
        _ => json!({ "content": [] }),
    };
    let mut reply =
        reply(200, &json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string());
    if what == "initialize" {
        reply.headers_mut().insert("mcp-session-id", "s-1".parse().unwrap());
    }
    reply
}

fn reply(status: u16, body: &str) -> Response<Full<Bytes>> {
    let reply = Response::builder().status(status).header("content-type", "application/json");
    reply.body(Full::new(body.to_owned().into())).unwrap()
}
