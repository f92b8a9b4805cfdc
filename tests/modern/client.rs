//! A client of 2026-07-28: what its requests say of themselves, in the body and once more in headers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};

use crate::common::{Ask, Reply, Service, text_of};

/// The revision.
pub const VERSION: &str = "2026-07-28";

/// One client; it has no session, so this is only how it asks.
pub struct Modern {
    pub address: String,
    pub path: String,
    key: String,
    headers: Vec<(&'static str, String)>,
    meta: Value,
    next: AtomicU64,
}

impl Modern {
    /// One that can be asked everything.
    pub fn new(service: &Service, backend: &str) -> Self {
        let capabilities = json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} });
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        let (address, path) = (service.main.clone(), format!("/mcp/{backend}"));
        Self { address, path, key: String::new(), headers: Vec::new(), meta, next: 1.into() }
    }

    /// The same with an API key.
    pub fn by(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// The same with one more header in each request.
    pub fn saying(mut self, header: &'static str, value: &str) -> Self {
        self.headers.push((header, value.to_owned()));
        self
    }

    /// The same with these capabilities.
    pub fn able(self, capabilities: Value) -> Self {
        self.with_meta("io.modelcontextprotocol/clientCapabilities", capabilities)
    }

    /// The same with one more thing in `_meta`.
    pub fn with_meta(mut self, key: &str, value: Value) -> Self {
        self.meta[key] = value;
        self
    }

    /// The request, with the next id.
    pub fn message(&self, method: &str, mut params: Value) -> Value {
        let mut meta = self.meta.clone();
        for (key, value) in params["_meta"].as_object().into_iter().flatten() {
            meta[key] = value.clone();
        }
        params["_meta"] = meta;
        let id = self.next.fetch_add(1, Relaxed);
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// Its POST.
    pub fn ask(&self, message: &Value) -> Ask {
        let method = message["method"].as_str().unwrap_or_default();
        let params = &message["params"];
        let name = match method {
            "tools/call" | "prompts/get" => params["name"].as_str(),
            "resources/read" => params["uri"].as_str(),
            _ => None,
        };
        let bearer = if self.key.is_empty() { String::new() } else { format!("Bearer {}", self.key) };
        let ask = Ask::mcp(&self.path, message.to_string())
            .header("mcp-protocol-version", VERSION)
            .header("mcp-method", method)
            .header("mcp-name", name.unwrap_or_default())
            .header("authorization", &bearer);
        self.headers.iter().fold(ask, |ask, (header, value)| ask.header(header, value))
    }

    /// Sends it; the reply may be anything.
    pub async fn post(&self, message: &Value) -> Reply {
        self.ask(message).send(&self.address).await
    }

    /// Sends a request; its status and its answer, a JSON-RPC error too.
    pub async fn request(&self, method: &str, params: Value) -> (u16, Value) {
        let message = self.message(method, params);
        let reply = self.post(&message).await;
        let status = reply.status;
        let answer = reply.messages().await.pop().unwrap_or_else(|| panic!("{status} without an answer"));
        assert_eq!(answer["id"], message["id"], "{answer}");
        (status, answer)
    }

    /// The result of a request that must have one.
    pub async fn result(&self, method: &str, params: Value) -> Value {
        let (status, answer) = self.request(method, params).await;
        assert!(status == 200 && answer["result"].is_object(), "{method}: {status} {answer}");
        answer["result"].clone()
    }

    /// Calls a tool; status and answer.
    pub async fn call(&self, tool: &str, arguments: Value) -> (u16, Value) {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Calls a tool that must succeed; its text.
    pub async fn text(&self, tool: &str, arguments: Value) -> String {
        text_of(&self.call(tool, arguments).await.1)
    }

    /// The process that answers: of the fixtures, or of the demo server.
    pub async fn pid(&self) -> u32 {
        let (_, answer) = self.call("pid", json!({})).await;
        let text = if answer["result"]["isError"] == true || answer["error"].is_object() {
            self.text("whoami", json!({})).await
        } else {
            text_of(&answer)
        };
        let known: Value = serde_json::from_str(&text).unwrap();
        known["pid"].as_u64().unwrap().try_into().unwrap()
    }

    /// Calls a tool that asks its client something: what is asked, and the state to come back with.
    pub async fn asked(&self, tool: &str, arguments: Value) -> (Value, Value) {
        let (status, answer) = self.call(tool, arguments).await;
        let result = &answer["result"];
        assert_eq!((status, &result["resultType"]), (200, &json!("input_required")), "{answer}");
        (result["inputRequests"].clone(), result["requestState"].clone())
    }

    /// Calls it once more, with answers; the status and the answer.
    pub async fn answer(&self, tool: &str, arguments: Value, answers: Value, state: &Value) -> (u16, Value) {
        let params =
            json!({ "name": tool, "arguments": arguments, "inputResponses": answers, "requestState": state });
        self.request("tools/call", params).await
    }

    /// Listens; the reply is the stream.
    pub async fn listen(&self, notifications: Value) -> (Value, Reply) {
        let message = self.message("subscriptions/listen", json!({ "notifications": notifications }));
        let reply = self.post(&message).await;
        assert!(reply.status == 200 && reply.is_stream(), "listen: {}", reply.status);
        (message["id"].clone(), reply)
    }
}
