//! Server-sent events, read from any chunking of a stream (WHATWG HTML, section 9.2).
//!
//! Pure: bytes in, messages out. Only what carries MCP comes out (events without a name, or named
//! `message`, and the older transport's `endpoint`); `id` and `retry` are remembered for whoever resumes the stream.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// Room for a field's name beside its value, so that the limit means the message and not the line.
const FIELD_NAME_BYTES: usize = 64;

/// One event is longer than the link accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event is longer than {limit} bytes")]
pub struct TooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

/// What an event carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message, or an array of them.
    Message(Bytes),
    /// Where messages to the server go (2024-11-05, "HTTP with SSE").
    Endpoint(Bytes),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Message,
    Endpoint,
    /// Not ours.
    Foreign,
}

/// The state between two chunks of one stream.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    chunk: Bytes,
    /// The start of a line that ended with its chunk; given back as soon as the line is whole.
    line: BytesMut,
    data: BytesMut,
    has_data: bool,
    name: Name,
    id: Option<Bytes>,
    last_id: Option<Bytes>,
    retry: Option<Duration>,
    /// A CR ended the last line: a LF that follows belongs to it, even in the next chunk.
    after_cr: bool,
    first_line: bool,
}

impl Parser {
    /// A parser of one stream; no event's data may be longer than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            chunk: Bytes::new(),
            line: BytesMut::new(),
            data: BytesMut::new(),
            has_data: false,
            name: Name::Message,
            id: None,
            last_id: None,
            retry: None,
            after_cr: false,
            first_line: true,
        }
    }

    /// Takes the next bytes of the stream. Call [`Parser::next_event`] until it has nothing more, before the next chunk.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "the chunk before has not been read to its end");
        self.chunk = chunk;
    }

    /// The next whole event.
    ///
    /// # Errors
    /// [`TooLong`]; the stream is of no use from there on.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(line) = self.next_line()? {
            if !line.is_empty() {
                self.field(&line)?;
                continue;
            }
            if let Some(event) = self.dispatch() {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The id of the last whole event that had one: where the stream can be resumed.
    pub fn last_id(&self) -> Option<&Bytes> {
        self.last_id.as_ref()
    }

    /// How long the server wants a client to wait before it reconnects.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, TooLong> {
        if self.after_cr && !self.chunk.is_empty() {
            self.after_cr = false;
            if self.chunk.first() == Some(&b'\n') {
                self.chunk.advance(1);
            }
        }
        let longest = self.limit.saturating_add(FIELD_NAME_BYTES);
        let end = memchr::memchr2(b'\r', b'\n', &self.chunk);
        if self.line.len() + end.unwrap_or(self.chunk.len()) > longest {
            return Err(TooLong { limit: self.limit });
        }
        let Some(end) = end else {
            self.line.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            return Ok(None);
        };
        let rest = self.chunk.split_to(end);
        self.after_cr = self.chunk.first() == Some(&b'\r');
        self.chunk.advance(1);
        let mut line = rest;
        if !self.line.is_empty() {
            self.line.extend_from_slice(&line);
            line = std::mem::take(&mut self.line).freeze();
        }
        if std::mem::take(&mut self.first_line) && line.starts_with(b"\xEF\xBB\xBF") {
            line.advance(3);
        }
        Ok(Some(line))
    }

    fn field(&mut self, line: &Bytes) -> Result<(), TooLong> {
        let colon = memchr::memchr(b':', line);
        let name = line.get(..colon.unwrap_or(line.len())).unwrap_or_default();
        let value = colon.map_or(Bytes::new(), |colon| line.slice(colon + 1..));
        let value = if value.first() == Some(&b' ') { value.slice(1..) } else { value };
        match name {
            b"data" => self.append(&value)?,
            b"event" => {
                self.name = match &value[..] {
                    b"" | b"message" => Name::Message,
                    b"endpoint" => Name::Endpoint,
                    _ => Name::Foreign,
                }
            }
            b"id" if !value.contains(&0) => self.id = Some(value),
            b"retry" => self.retry = milliseconds(&value).or(self.retry),
            _ => {} // a comment (no name), or a field of a later specification
        }
        Ok(())
    }

    fn append(&mut self, value: &[u8]) -> Result<(), TooLong> {
        let separator = usize::from(self.has_data);
        if self.data.len() + separator + value.len() > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        if self.has_data {
            self.data.extend_from_slice(b"\n");
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
        Ok(())
    }

    /// An empty line: the event is whole. Its id counts even when it carries nothing (a priming event).
    fn dispatch(&mut self) -> Option<Event> {
        if let Some(id) = self.id.take() {
            // An empty id resets; the copy does not keep the whole chunk alive for a few bytes.
            self.last_id = (!id.is_empty()).then(|| Bytes::copy_from_slice(&id));
        }
        let name = std::mem::replace(&mut self.name, Name::Message);
        self.has_data = false;
        let data = std::mem::take(&mut self.data).freeze();
        match name {
            _ if data.is_empty() => None,
            Name::Message => Some(Event::Message(data)),
            Name::Endpoint => Some(Event::Endpoint(data)),
            Name::Foreign => None,
        }
    }
}

fn milliseconds(value: &[u8]) -> Option<Duration> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = digits.then(|| std::str::from_utf8(value).ok())??;
    text.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests;
