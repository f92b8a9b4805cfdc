//! Streams of servers, in pieces of any size: events over HTTP, lines of a process. And events as they are written to clients.

use bytes::Bytes;
use mcpvisor::fuzzing;
use mcpvisor_actors::fuzzing::{Event, Parser, TooLong};
use mcpvisor_actors::{Line, Splitter};

const NO_LIMIT: usize = 1 << 30;

/// The first bytes say how it is cut and how much is too much.
pub fn check(data: &[u8]) {
    let [limit, one, other, data @ ..] = data else { return };
    let limit = usize::from(*limit) * 4;
    for limit in [limit, NO_LIMIT] {
        let whole = events(data, limit, |rest| rest);
        for size in [1, usize::from(*one) + 1, usize::from(*other) * 16 + 1] {
            assert_eq!(events(data, limit, |rest| size.min(rest)), whole, "in pieces of {size}");
            assert_eq!(
                lines(data, limit, size),
                lines(data, limit, data.len().max(1)),
                "in pieces of {size}"
            );
        }
        assert!(whole.0.iter().all(|event| body(event).len() <= limit));
    }
    assert_eq!(events(data, NO_LIMIT, |rest| rest).0, as_the_standard_has_it(data));
    let expected: Vec<Line> = data
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .map(|line| Line::Frame(Bytes::copy_from_slice(line)))
        .collect();
    let whole = expected[..expected.len() - 1].iter().filter(|line| **line != Line::Frame(Bytes::new()));
    assert_eq!(lines(data, NO_LIMIT, data.len().max(1)), whole.cloned().collect::<Vec<_>>());
    writes_what_is_read(data);
}

type Read = (Vec<Event>, Option<TooLong>, Option<Bytes>, Option<std::time::Duration>);

fn events(data: &[u8], limit: usize, size: impl Fn(usize) -> usize) -> Read {
    let (mut parser, mut rest, mut read) = (Parser::new(limit), Bytes::copy_from_slice(data), Vec::new());
    let mut failed = None;
    'all: while !rest.is_empty() {
        parser.push(rest.split_to(size(rest.len()).max(1)));
        loop {
            match parser.next_event() {
                Ok(Some(event)) => read.push(event),
                Ok(None) => break,
                Err(error) => {
                    failed = Some(error);
                    break 'all;
                }
            }
        }
    }
    (read, failed, parser.last_id().cloned(), parser.retry())
}

fn body(event: &Event) -> &Bytes {
    match event {
        Event::Message(body) | Event::Endpoint(body) => body,
    }
}

fn lines(data: &[u8], limit: usize, size: usize) -> Vec<Line> {
    let (mut splitter, mut read) = (Splitter::new(limit), Vec::new());
    for piece in data.chunks(size) {
        splitter.push(piece);
        while let Some(line) = splitter.pop() {
            let ends = matches!(line, Line::TooLong { .. });
            read.push(line);
            if ends {
                return read;
            }
        }
    }
    read
}

/// WHATWG HTML, 9.2.6, word for word, but for bytes in place of characters.
fn as_the_standard_has_it(data: &[u8]) -> Vec<Event> {
    let data = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let (mut lines, mut rest) = (Vec::new(), data);
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let skipped = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        lines.push(&rest[..end]);
        rest = &rest[end + skipped..];
    }
    let (mut events, mut name, mut data) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        if line.is_empty() {
            let (name, mut data) = (std::mem::take(&mut name), std::mem::take(&mut data));
            data.pop();
            let data = Bytes::from(data);
            match &name[..] {
                _ if data.is_empty() => {}
                b"" | b"message" => events.push(Event::Message(data)),
                b"endpoint" => events.push(Event::Endpoint(data)),
                _ => {}
            }
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => data.extend_from_slice(&[value, b"\n"].concat()),
            b"event" => name = value.to_vec(),
            _ => {}
        }
    }
    events
}

/// Whatever a message says, it is one event, and nothing of it is a field of its own.
fn writes_what_is_read(message: &[u8]) {
    let (mut expected, mut rest) = (Vec::new(), message);
    while let Some((first, more)) = rest.split_first() {
        let after_cr = *first == b'\r' && more.first() == Some(&b'\n');
        expected.push(if *first == b'\r' { b'\n' } else { *first });
        rest = if after_cr { &more[1..] } else { more };
    }
    let (read, failed, id, _) = events(&fuzzing::event(message), NO_LIMIT, |rest| rest);
    assert_eq!((failed, id.as_deref()), (None, Some(&b"7_8"[..])));
    let expected = (!expected.is_empty()).then(|| Event::Message(expected.into()));
    assert_eq!(read, expected.into_iter().collect::<Vec<_>>());
}
