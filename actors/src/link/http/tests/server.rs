//! A server that says exactly what a test wants, byte for byte.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What the server writes, and what becomes of the connection.
pub struct Reply {
    raw: Vec<u8>,
    then: Then,
    when: Option<Arc<Notify>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// The connection serves the next request.
    Keep,
    /// It is closed: the end of a body without a length.
    Close,
    /// It stays open and silent.
    Hold,
}

impl Reply {
    pub fn status(status: &str, headers: &str, body: &str) -> Self {
        let raw = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        Self { raw: raw.into_bytes(), then: Then::Keep, when: None }
    }

    pub fn json(headers: &str, body: &str) -> Self {
        Self::status("200 OK", &format!("Content-Type: application/json; charset=utf-8\r\n{headers}"), body)
    }

    /// An event stream that ends after `events`.
    pub fn events(events: &str) -> Self {
        let raw = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{events}");
        Self { raw: raw.into_bytes(), then: Then::Close, when: None }
    }

    /// The same, which stays open after `events`.
    pub fn open_events(events: &str) -> Self {
        Self { then: Then::Hold, ..Self::events(events) }
    }

    /// Nothing at all, on a connection that stays open.
    pub fn silence() -> Self {
        Self { raw: Vec::new(), then: Then::Hold, when: None }
    }

    /// The connection is closed without a word.
    pub fn hang_up() -> Self {
        Self { raw: Vec::new(), then: Then::Close, when: None }
    }

    /// The same, once the test says so.
    pub fn when(self, when: Arc<Notify>) -> Self {
        Self { when: Some(when), ..self }
    }

    pub fn accepted() -> Self {
        Self::status("202 Accepted", "", "")
    }
}

/// Serves until the test's runtime ends. Gives the endpoint's URL and every request as it arrives.
pub async fn serve(
    reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (String, mpsc::UnboundedReceiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let (seen, requests) = mpsc::unbounded_channel();
    let reply = Arc::new(reply);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, reply.clone(), seen.clone()));
        }
    });
    (url, requests)
}

async fn connection(
    stream: TcpStream,
    reply: Arc<impl Fn(&Seen) -> Reply>,
    requests: mpsc::UnboundedSender<Seen>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = request(&mut stream).await {
        let answer = reply(&seen);
        let _ = requests.send(seen);
        if let Some(when) = &answer.when {
            when.notified().await;
        }
        let _ = stream.write_all(&answer.raw).await;
        match answer.then {
            Then::Keep => {}
            Then::Close => return,
            Then::Hold => {
                let _ = stream.read_u8().await; // until the client goes
                return;
            }
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let mut lines = head.lines();
    let mut start = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (start.next()?, start.next()?);
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers: HashMap<_, _> = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { method, path, headers, body: String::from_utf8(body).unwrap() })
}
