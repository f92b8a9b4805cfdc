//! A client without an SDK: what it sends and gets is what stands in the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use crate::service::{PATIENCE, Service};

pub const JSON: (&str, &str) = ("Content-Type", "application/json");
pub const BOTH: (&str, &str) = ("Accept", "application/json, text/event-stream");
pub const EVENTS: (&str, &str) = ("Accept", "text/event-stream");

/// A response whose body is still to be read.
pub struct Response {
    pub status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    /// Bytes of the body that were read and not used; a chunked body comes here piece by piece.
    rest: Vec<u8>,
}

/// One event, or a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Comment,
    /// Carries nothing but an id.
    Priming(String),
    Message(String, Value),
}

/// One session.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    pub path: String,
    pub session: String,
    pub headers: Vec<(String, String)>,
}

/// Sends one request on a connection of its own.
pub fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += &format!("Host: {address}\r\n");
    }
    let has = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if method == "POST" && !has("content-length") && !has("transfer-encoding") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // A service that has seen enough may close before it has read everything.
    let _ = stream.write_all(body);
    Response::read(stream)
}

impl Response {
    fn read(stream: TcpStream) -> Self {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let status =
            line.split(' ').nth(1).unwrap_or_else(|| panic!("no response: {line:?}")).parse().unwrap();
        let mut headers = Vec::new();
        loop {
            line.clear();
            stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Self { status, headers, stream, rest: Vec::new() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }

    /// The whole body.
    pub fn text(mut self) -> String {
        if let Some(length) = self.header("content-length") {
            let mut body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut body).unwrap();
            return String::from_utf8(body).unwrap();
        }
        while self.header("transfer-encoding").is_some() && self.read_chunk() {}
        String::from_utf8(self.rest).unwrap()
    }

    pub fn json(self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// The next event of the stream; `None` at its end.
    pub fn event(&mut self) -> Option<Event> {
        let end = loop {
            if let Some(at) = self.rest.windows(2).position(|two| two == b"\n\n") {
                break at;
            }
            if !self.read_chunk() {
                assert!(self.rest.is_empty(), "an event was cut short");
                return None;
            }
        };
        let block = String::from_utf8(self.rest.drain(..end + 2).collect()).unwrap();
        let field = |name: &str| -> Vec<String> {
            let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            lines.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned()).collect()
        };
        if block.starts_with(':') {
            return Some(Event::Comment);
        }
        let id = field("id").pop().unwrap_or_default();
        let data = field("data").join("\n");
        Some(match data.is_empty() {
            true => Event::Priming(id),
            false => Event::Message(id, serde_json::from_str(&data).unwrap()),
        })
    }

    /// The next message of the stream and its id, past comments and priming.
    pub fn message(&mut self) -> Option<(String, Value)> {
        let from = Instant::now();
        while from.elapsed() < PATIENCE {
            if let Event::Message(id, value) = self.event()? {
                return Some((id, value));
            }
        }
        panic!("nothing but comments");
    }

    /// Everything up to the end of the stream.
    pub fn messages(mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.message()).map(|(_, value)| value).collect()
    }

    /// False at the end of the body.
    fn read_chunk(&mut self) -> bool {
        let mut line = String::new();
        if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        self.rest.extend_from_slice(&chunk[..length]);
        length > 0
    }
}

impl Client {
    /// A client that has sent nothing yet.
    pub fn new(service: &Service, backend: &str) -> Self {
        let (address, path) = (service.main.clone(), format!("/mcp/{backend}"));
        Self { address, path, session: String::new(), headers: Vec::new() }
    }

    /// A session of 2025-11-25, ready to use.
    pub fn open(service: &Service, backend: &str) -> Self {
        Self::open_version(service, backend, "2025-11-25")
    }

    pub fn open_version(service: &Service, backend: &str, version: &str) -> Self {
        let mut client = Self::new(service, backend);
        let response = client.initialize(version);
        assert_eq!(response.status, 200);
        client.session = response.header("mcp-session-id").expect("a session").to_owned();
        let result = response.json();
        assert!(result["result"]["serverInfo"].is_object(), "{result}");
        assert_eq!(client.notify("notifications/initialized").status, 202);
        client
    }

    pub fn initialize(&self, version: &str) -> Response {
        let client = json!({ "name": "test", "version": "1" });
        let capabilities = json!({ "sampling": {}, "roots": {}, "elicitation": {} });
        let params =
            json!({ "protocolVersion": version, "capabilities": capabilities, "clientInfo": client });
        self.request(json!("init"), "initialize", &params)
    }

    pub fn request(&self, id: Value, method: &str, params: &Value) -> Response {
        self.post(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
    }

    pub fn notify(&self, method: &str) -> Response {
        self.post(&json!({ "jsonrpc": "2.0", "method": method }))
    }

    pub fn call(&self, id: i64, tool: &str, arguments: Value) -> Response {
        self.request(json!(id), "tools/call", &json!({ "name": tool, "arguments": arguments }))
    }

    /// The same, asking for progress.
    pub fn call_with_progress(&self, id: i64, tool: &str, arguments: Value) -> Response {
        let meta = json!({ "progressToken": format!("token-{id}") });
        self.request(json!(id), "tools/call", &json!({ "name": tool, "arguments": arguments, "_meta": meta }))
    }

    /// What a tool says in its answer.
    pub fn text(&self, tool: &str, arguments: Value) -> String {
        let response = self.call(99, tool, arguments);
        let answer = match response.is_stream() {
            true => response.messages().pop().expect("an answer"),
            false => response.json(),
        };
        answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub fn post(&self, body: &Value) -> Response {
        self.send("POST", &[JSON, BOTH], body.to_string().as_bytes())
    }

    /// Opens the standalone stream, or resumes one.
    pub fn listen(&self, last_event_id: Option<&str>) -> Response {
        match last_event_id {
            Some(id) => self.send("GET", &[EVENTS, ("Last-Event-ID", id)], b""),
            None => self.send("GET", &[EVENTS], b""),
        }
    }

    pub fn delete(&self) -> Response {
        self.send("DELETE", &[], b"")
    }

    pub fn send(&self, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut all = headers.to_vec();
        if !self.session.is_empty() {
            all.push(("Mcp-Session-Id", &self.session));
        }
        all.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        send(&self.address, method, &self.path, &all, body)
    }
}
