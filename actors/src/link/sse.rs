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
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seen = (Vec<Bytes>, Option<Bytes>, Option<Duration>, Option<TooLong>);

    fn read<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
        let (mut parser, mut messages) = (Parser::new(limit), Vec::new());
        for chunk in chunks {
            parser.push(Bytes::copy_from_slice(chunk));
            loop {
                match parser.next_message() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => return (messages, parser.last_id().cloned(), parser.retry(), Some(error)),
                }
            }
        }
        (messages, parser.last_id().cloned(), parser.retry(), None)
    }

    impl Parser {
        fn next_message(&mut self) -> Result<Option<Bytes>, TooLong> {
            loop {
                match self.next_event()? {
                    Some(Event::Message(message)) => return Ok(Some(message)),
                    Some(Event::Endpoint(_)) => {}
                    None => return Ok(None),
                }
            }
        }
    }

    fn messages(text: &str) -> Vec<String> {
        let (messages, ..) = read(1024, [text.as_bytes()]);
        messages.iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect()
    }

    #[test]
    fn an_answer_arrives_with_every_kind_of_line_end() {
        for end in ["\n", "\r", "\r\n"] {
            let text = ["data: {\"a\":", "data:1}", "", "data: 2", "", ""].join(end);
            assert_eq!(messages(&text), ["{\"a\":\n1}", "2"], "{end:?}");
        }
    }

    #[test]
    fn comments_unknown_fields_and_foreign_events_are_no_messages() {
        assert_eq!(
            messages(": keep-alive\n\nfoo: x\nevent: ping\ndata: no\n\nevent: message\ndata: yes\n\n"),
            ["yes"]
        );
        assert_eq!(messages("data\n\ndata:\n\n"), [""; 0]);
        assert_eq!(messages("data:  two spaces\n\n"), [" two spaces"]);
    }

    #[test]
    fn where_messages_go_is_no_message() {
        let mut parser = Parser::new(64);
        parser.push(Bytes::from_static(b"event: endpoint\ndata: /m?id=1\n\ndata: {}\n\n"));
        assert_eq!(parser.next_event(), Ok(Some(Event::Endpoint("/m?id=1".into()))));
        assert_eq!(parser.next_event(), Ok(Some(Event::Message("{}".into()))));
        assert_eq!(messages("event: endpoint\ndata: /m\n\ndata: {}\n\n"), ["{}"]);
    }

    #[test]
    fn an_event_cut_short_is_not_delivered_and_its_id_is_not_resumed_from() {
        let (messages, id, ..) = read(64, [&b"id: 1\ndata: a\n\nid: 2\ndata: b\n"[..]]);
        assert_eq!((messages, id), (vec![Bytes::from("a")], Some(Bytes::from("1"))));
    }

    #[test]
    fn a_priming_event_gives_an_id_to_resume_from() {
        let (messages, id, retry, _) = read(64, [&b"id: p\nretry: 250\ndata:\n\n"[..]]);
        assert_eq!((messages.len(), id), (0, Some(Bytes::from("p"))));
        assert_eq!(retry, Some(Duration::from_millis(250)));
    }

    #[test]
    fn bad_retry_and_bad_id_are_ignored() {
        let (_, id, retry, _) = read(64, [&b"id: 1\nretry: 5\n\nid: a\0b\nretry: soon\n\n"[..]]);
        assert_eq!((id, retry), (Some(Bytes::from("1")), Some(Duration::from_millis(5))));
        assert_eq!(read(64, [&b"id: 1\n\nid\n\n"[..]]).1, None);
    }

    #[test]
    fn a_byte_order_mark_does_not_hide_the_first_field() {
        assert_eq!(messages("\u{feff}data: a\n\n\u{feff}data: b\n\n"), ["a"]);
    }

    #[test]
    fn memory_stays_bounded_by_the_limit() {
        let whole = |text: &[u8]| read(8, [text]);
        assert_eq!(whole(b"data: 12345678\n\n").0, [Bytes::from("12345678")]);
        assert!(whole(b"data: 123456789\n\n").3.is_some());
        assert!(whole(b"data: 1234\ndata: 5678\n\n").3.is_some());
        assert!(whole(&[b'x'; 80]).3.is_some(), "a line that never ends");
        assert!(whole("data:\n".repeat(20).as_bytes()).3.is_some(), "empty lines add up");
    }

    proptest! {
        /// A message would be lost or doubled depending on how the network cut the stream.
        #[test]
        fn any_chunking_reads_the_same(
            parts in prop::collection::vec(prop::sample::select(vec![
                "data: {}", "data: 0123456789", "data", "id: 7", "id:", "retry: 10", "event: x", "event: message",
                ": c", "\u{feff}", "\r", "\n", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "é",
            ]), 0..60),
            cuts in prop::collection::vec(0usize..400, 0..12),
            limit in 4usize..40,
        ) {
            let text = parts.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]);
            prop_assert_eq!(read(limit, chunks), read(limit, [&text[..]]));
        }
    }
}
