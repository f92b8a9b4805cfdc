//! What the upstream writes, and what becomes of the connection.

use std::sync::Arc;

use tokio::sync::Notify;

/// One reply.
pub struct Reply {
    pub bytes: Vec<u8>,
    pub then: Then,
    pub when: Option<Arc<Notify>>,
}

/// What follows it on its connection.
#[derive(Clone, Copy, PartialEq)]
pub enum Then {
    /// The next request.
    Keep,
    /// The end.
    Close,
    /// Silence, until the other side goes.
    Hold,
}

impl Reply {
    pub fn status(status: &str, headers: &str, body: &str) -> Self {
        let bytes = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        Self { bytes: bytes.into_bytes(), then: Then::Keep, when: None }
    }

    pub fn json(headers: &str, body: &str) -> Self {
        Self::status("200 OK", &format!("Content-Type: application/json\r\n{headers}"), body)
    }

    /// An event stream that ends after these.
    pub fn events(events: &str) -> Self {
        let bytes = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{events}");
        Self { bytes: bytes.into_bytes(), then: Then::Close, when: None }
    }

    /// An event stream that stays open after these.
    pub fn open_events(events: &str) -> Self {
        Self { then: Then::Hold, ..Self::events(events) }
    }

    /// Nothing, on a connection that stays open.
    pub fn silence() -> Self {
        Self { bytes: Vec::new(), then: Then::Hold, when: None }
    }

    /// These bytes and then the end.
    pub fn cut(bytes: &str) -> Self {
        Self { bytes: bytes.as_bytes().to_vec(), then: Then::Close, when: None }
    }

    /// The same, but not before the test says so.
    pub fn when(self, when: Arc<Notify>) -> Self {
        Self { when: Some(when), ..self }
    }
}
