//! HTTP without a net: one connection per request, every status and header as it came.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// A request to be sent.
#[derive(Clone)]
pub struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// What came back; the body is read on demand, and dropping it closes the connection.
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    body: Incoming,
    read: BytesMut,
    /// `id:` of the event read last.
    pub last_event_id: Option<String>,
}

impl Ask {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A POST as every MCP client sends it.
    pub fn mcp(path: &str, body: impl Into<Bytes>) -> Self {
        let ask = Self::new("POST", path).header("content-type", "application/json");
        ask.header("accept", "application/json, text/event-stream").body(body)
    }

    /// Sets a header; an empty value takes it away.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.headers.push((name.into(), value.into()));
        }
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it, and waits for the head of the reply.
    pub async fn send(self, address: &str) -> Reply {
        let what = format!("{} {}", self.method, self.path.get(..80).unwrap_or(&self.path));
        soon(&what, self.send_patiently(address)).await
    }

    /// The status, if there is one: the connection may be refused, or end without an answer.
    pub async fn try_send(self, address: &str) -> Option<u16> {
        let head =
            format!("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", self.method, self.path);
        let asked = async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.write_all(head.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
        };
        soon("an answer, or none", asked).await
    }

    /// The same without a bound on the time.
    pub async fn send_patiently(self, address: &str) -> Reply {
        let stream = TcpStream::connect(address).await.expect("the service listens");
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::builder().method(&*self.method).uri(&self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", address);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = sender.send_request(request.body(Full::new(self.body)).unwrap()).await;
        let (head, body) = response.expect("an answer").into_parts();
        let status = head.status.as_u16();
        Reply { status, headers: head.headers, body, read: BytesMut::new(), last_event_id: None }
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|value| value.starts_with("text/event-stream"))
    }

    /// The whole body as text.
    pub async fn text(mut self) -> String {
        let whole = async { while self.more().await {} };
        soon("the whole body", whole).await;
        String::from_utf8(self.read.to_vec()).unwrap()
    }

    /// Reads on until this has come, and takes it and all before it.
    pub async fn reads(&mut self, wanted: &str) {
        let read = async {
            loop {
                let found = self.read.windows(wanted.len()).position(|part| part == wanted.as_bytes());
                if let Some(start) = found {
                    return drop(self.read.split_to(start + wanted.len()));
                }
                assert!(self.more().await, "it ended without {wanted:?}: {:?}", self.read);
            }
        };
        soon(wanted, read).await;
    }

    /// The whole body as JSON.
    pub async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// The next message, of a stream or of a plain JSON body; `None` once there is nothing more.
    pub async fn message(&mut self) -> Option<Value> {
        soon("a message", self.message_patiently()).await
    }

    /// The next event as it came, without its empty line; `None` at the end.
    pub async fn raw_event(&mut self) -> Option<String> {
        let event = async {
            loop {
                if let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                    let event = self.read.split_to(end + 2);
                    return Some(String::from_utf8(event[..end].to_vec()).unwrap());
                }
                if !self.more().await {
                    return None;
                }
            }
        };
        soon("an event", event).await
    }

    /// A message, if one comes within that time.
    pub async fn message_within(&mut self, time: Duration) -> Option<Value> {
        tokio::time::timeout(time, self.message_patiently()).await.ok().flatten()
    }

    async fn message_patiently(&mut self) -> Option<Value> {
        if !self.is_stream() {
            while self.more().await {}
            let whole = self.read.split();
            return (!whole.is_empty()).then(|| serde_json::from_slice(&whole).unwrap());
        }
        loop {
            while let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let event = self.read.split_to(end + 2);
                if let Some(message) = self.event(std::str::from_utf8(&event).unwrap()) {
                    return Some(message);
                }
            }
            if !self.more().await {
                assert!(self.read.is_empty(), "cut in the middle of an event: {:?}", self.read);
                return None;
            }
        }
    }

    /// Comments, and events that only carry an id, have no message.
    fn event(&mut self, event: &str) -> Option<Value> {
        let mut data = String::new();
        for line in event.lines() {
            match line.split_once(':') {
                Some(("data", value)) => data += value.trim_start(),
                Some(("id", value)) => self.last_event_id = Some(value.trim_start().to_owned()),
                _ => {}
            }
        }
        (!data.is_empty()).then(|| serde_json::from_str(&data).unwrap())
    }

    /// All messages to the end.
    pub async fn messages(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(message) = self.message().await {
            all.push(message);
        }
        all
    }

    async fn more(&mut self) -> bool {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                        return true;
                    }
                }
                Some(Err(_)) | None => return false,
            }
        }
    }
}

/// Sends bytes as they are and reads until the other side closes; what no HTTP client would send.
pub async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may have refused it before it has everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = soon("the end of a raw exchange", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}
