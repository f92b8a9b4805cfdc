//! A small MCP client: one session of one backend.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};

use super::http::{Ask, Reply};
use super::service::Service;

/// The protocol version of a client that says nothing else.
pub const VERSION: &str = "2025-11-25";

/// One session.
pub struct Client {
    pub address: String,
    pub path: String,
    pub session: String,
    pub key: String,
    next: AtomicU64,
}

impl Client {
    /// A session whose handshake is complete.
    pub async fn open(service: &Service, backend: &str) -> Self {
        Self::open_with(service, backend, "", json!({})).await
    }

    /// The same with an API key and capabilities.
    pub async fn open_with(service: &Service, backend: &str, key: &str, capabilities: Value) -> Self {
        let initialize = Self::initialize(VERSION, capabilities);
        Self::open_by(service, backend, key, &initialize.to_string()).await
    }

    /// The same with `initialize` bytes of one's own.
    pub async fn open_by(service: &Service, backend: &str, key: &str, initialize: &str) -> Self {
        let opened = Self::try_open_by(service, backend, key, initialize).await;
        opened.unwrap_or_else(|(status, answer)| panic!("no session: {status} {answer}"))
    }

    /// A session where there may be none; else status and body of the refusal.
    pub async fn try_open(service: &Service, backend: &str) -> Result<Self, (u16, Value)> {
        Self::try_open_by(service, backend, "", &Self::initialize(VERSION, json!({})).to_string()).await
    }

    async fn try_open_by(
        service: &Service,
        backend: &str,
        key: &str,
        initialize: &str,
    ) -> Result<Self, (u16, Value)> {
        let path = format!("/mcp/{backend}");
        let mut client = Self {
            address: service.main.clone(),
            path,
            session: String::new(),
            key: key.into(),
            next: 1.into(),
        };
        let reply = client.ask(initialize.to_owned()).send(&service.main).await;
        let session = reply.header("mcp-session-id").map(str::to_owned);
        let (status, answer) = (reply.status, reply.json().await);
        client.session = session.ok_or((status, answer))?;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized", "params": {} });
        let reply = client.post(&initialized).await;
        // It may have ended by itself in between.
        if reply.status == 202 { Ok(client) } else { Err((reply.status, reply.json().await)) }
    }

    /// A session that is there already.
    pub fn of(service: &Service, backend: &str, session: String) -> Self {
        let (address, path) = (service.main.clone(), format!("/mcp/{backend}"));
        Self { address, path, session, key: String::new(), next: 1.into() }
    }

    /// An `initialize` request.
    pub fn initialize(version: &str, capabilities: Value) -> Value {
        let client = json!({ "name": "test", "version": "1" });
        let params =
            json!({ "protocolVersion": version, "capabilities": capabilities, "clientInfo": client });
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
    }

    /// A POST of this session.
    pub fn ask(&self, body: String) -> Ask {
        self.credentials(Ask::mcp(&self.path, body))
    }

    /// What names the session and its owner.
    pub fn credentials(&self, ask: Ask) -> Ask {
        let bearer = if self.key.is_empty() { String::new() } else { format!("Bearer {}", self.key) };
        ask.header("mcp-session-id", &self.session).header("authorization", &bearer)
    }

    /// The request, with the next id.
    pub fn message(&self, method: &str, params: Value) -> Value {
        let id = self.next.fetch_add(1, Relaxed);
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// Sends a message; the reply may be anything.
    pub async fn post(&self, message: &Value) -> Reply {
        self.ask(message.to_string()).send(&self.address).await
    }

    /// Sends a request and gives its answer, a JSON-RPC error too.
    pub async fn request(&self, method: &str, params: Value) -> Value {
        let message = self.message(method, params);
        let reply = self.post(&message).await;
        let status = reply.status;
        let answer = reply.messages().await.pop().expect("an answer");
        assert_eq!(status, 200, "{method}: {answer}");
        assert_eq!(answer["id"], message["id"], "{answer}");
        answer
    }

    /// Calls a tool; the whole answer.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Calls a tool that must succeed; its text.
    pub async fn text(&self, tool: &str, arguments: Value) -> String {
        text_of(&self.call(tool, arguments).await)
    }

    /// Calls a tool whose text is JSON.
    pub async fn known(&self, tool: &str) -> Value {
        serde_json::from_str(&self.text(tool, json!({})).await).unwrap()
    }

    /// The process behind the session.
    pub async fn pid(&self) -> u32 {
        self.known("pid").await["pid"].as_u64().unwrap().try_into().unwrap()
    }

    pub async fn notify(&self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        assert_eq!(self.post(&message).await.status, 202, "{method}");
    }

    /// Answers a request of the server.
    pub async fn respond(&self, id: &Value, result: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        assert_eq!(self.post(&message).await.status, 202);
    }

    /// Opens the stream that belongs to no request.
    pub async fn stream(&self) -> Reply {
        let ask = self.credentials(Ask::new("GET", &self.path)).header("accept", "text/event-stream");
        let reply = ask.send(&self.address).await;
        assert!(reply.status == 200 && reply.is_stream(), "GET: {}", reply.status);
        reply
    }

    /// Ends the session; the status.
    pub async fn delete(&self) -> u16 {
        self.credentials(Ask::new("DELETE", &self.path)).send(&self.address).await.status
    }
}

/// The text of a tool's answer.
pub fn text_of(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

/// The code of an error; 0 if the answer is none.
pub fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or(0)
}

/// The reason that an error of mcpvisor's own carries.
pub fn reason(answer: &Value) -> &str {
    answer["error"]["data"]["reason"].as_str().unwrap_or("")
}
