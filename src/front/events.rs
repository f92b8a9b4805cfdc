//! Server-sent events, written (WHATWG HTML, section 9.2).
//!
//! Ids name their stream, so that a client that reconnects says which one it lost: `STREAM_SEQUENCE`,
//! both unique for the session. Stream 0 is the standalone one; POST streams count from 1.

mod feed_body;
mod keep_alive;
mod reply_body;
mod source;

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;

pub(crate) use feed_body::{FeedBody, FeedEnd};
pub(crate) use keep_alive::KeepAlive;
pub(crate) use reply_body::{ReplyBody, Unfinished};
pub(crate) use source::Source;

/// The stream that belongs to no request.
pub(crate) const STANDALONE: u64 = 0;

/// How long a client waits before it reconnects: a dropped connection is seen at once on our side.
const RETRY: Duration = Duration::from_secs(1);

/// A message on the standalone stream or on one resumed, with its place in it.
pub(crate) type Numbered = (u64, bytes::Bytes);

/// Where in which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    /// The stream.
    pub(crate) stream: u64,
    /// The event in it; 0 = before the first.
    pub(crate) sequence: u64,
}

impl EventId {
    /// What a client sends back as `Last-Event-ID`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (stream, sequence) = std::str::from_utf8(text).ok()?.split_once('_')?;
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        Some(Self { stream: number(stream)?, sequence: number(sequence)? })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.stream, self.sequence)
    }
}

/// Writes one message as one event.
pub(crate) fn write_event(out: &mut BytesMut, id: EventId, message: &[u8]) {
    out.reserve(message.len() + 48);
    write_id(out, id);
    write_message(out, message);
}

fn write_message(out: &mut BytesMut, message: &[u8]) {
    // A backend over HTTP may write its JSON over several lines, and a line ends an event's field.
    let mut rest = message;
    while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
        write_data(out, &rest[..end]);
        let line_end = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + line_end..];
    }
    write_data(out, rest);
    out.extend_from_slice(b"\n");
}

/// Writes one message as one event that nobody can resume from.
pub(crate) fn write_unnumbered(out: &mut BytesMut, message: &[u8]) {
    out.reserve(message.len() + 16);
    write_message(out, message);
}

/// Writes one message as the older HTTP+SSE has it: with the name of the event.
pub(crate) fn write_named(out: &mut BytesMut, name: &str, message: &[u8]) {
    out.reserve(message.len() + 32);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\n");
    write_message(out, message);
}

/// Writes the event that begins a stream and carries nothing but where to resume it.
pub(crate) fn write_priming(out: &mut BytesMut, id: EventId) {
    out.extend_from_slice(b"retry: ");
    write_number(out, u64::try_from(RETRY.as_millis()).unwrap_or(u64::MAX));
    out.extend_from_slice(b"\n");
    write_id(out, id);
    out.extend_from_slice(b"data:\n\n");
}

fn write_id(out: &mut BytesMut, id: EventId) {
    out.extend_from_slice(b"id: ");
    write_number(out, id.stream);
    out.extend_from_slice(b"_");
    write_number(out, id.sequence);
    out.extend_from_slice(b"\n");
}

fn write_data(out: &mut BytesMut, line: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(line);
    out.extend_from_slice(b"\n");
}

fn write_number(out: &mut BytesMut, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(message: &str) -> String {
        let mut out = BytesMut::new();
        write_event(&mut out, EventId { stream: 2, sequence: 7 }, message.as_bytes());
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_message_is_one_event_with_an_id() {
        assert_eq!(written(r#"{"a":1}"#), "id: 2_7\ndata: {\"a\":1}\n\n");
    }

    #[test]
    fn json_over_several_lines_stays_one_event() {
        assert_eq!(written("{\n \"a\":1\r\n}\r"), "id: 2_7\ndata: {\ndata:  \"a\":1\ndata: }\ndata: \n\n");
    }

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = EventId { stream: 12, sequence: 345 };
        assert_eq!(EventId::parse(id.to_string().as_bytes()), Some(id));
        for text in ["", "_", "1_", "_1", "1", "+1_2", "1_2_3", "a_b", "1_99999999999999999999"] {
            assert_eq!(EventId::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_priming_event_carries_an_id_and_nothing_else() {
        let mut out = BytesMut::new();
        write_priming(&mut out, EventId { stream: 0, sequence: 0 });
        assert_eq!(&out[..], b"retry: 1000\nid: 0_0\ndata:\n\n");
    }
}
