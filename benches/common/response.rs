//! Reads one HTTP/1.1 response: just enough for the servers measured, and as cheap as it gets.

use std::ops::Range;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use memchr::memmem;

/// Where the JSON of an event begins.
const EVENT_DATA: &[u8] = b"data: {";

/// A response as far as it has come.
#[derive(Default)]
pub(crate) struct Response {
    /// As read from the connection.
    raw: Vec<u8>,
    /// Up to here `raw` has been dealt with.
    done: usize,
    head: Option<Head>,
    body: Vec<u8>,
    complete: bool,
    /// When the whole answer was there: before the end of the response, if that is a stream.
    answered: Option<(Instant, Range<usize>)>,
    /// So many messages of a stream come before the answer.
    before: usize,
    events: Events,
}

/// Messages of a stream, found as they come.
#[derive(Default)]
struct Events {
    /// Whole messages so far.
    whole: usize,
    /// Where the one that is not whole begins, if it has begun.
    begun: Option<usize>,
    /// Up to here there is nothing new.
    looked: usize,
}

struct Head {
    status: u16,
    framing: Framing,
    streams: bool,
    session: Option<String>,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Response {
    /// Makes room for the next one.
    pub(crate) fn clear(&mut self) {
        self.raw.clear();
        self.body.clear();
        (self.done, self.head, self.complete, self.answered) = (0, None, false, None);
        self.events = Events::default();
    }

    /// So many messages come before the answer, if responses are streams.
    pub(crate) fn expect_before(&mut self, messages: usize) {
        self.before = messages;
    }

    /// Where to read into; [`Response::advance`] must follow.
    pub(crate) fn space(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }

    /// Takes note of what has been read. True when the response is complete.
    pub(crate) fn advance(&mut self) -> anyhow::Result<bool> {
        if self.head.is_none() {
            let Some(end) = memmem::find(&self.raw, b"\r\n\r\n") else { return Ok(false) };
            self.head = Some(Head::parse(&self.raw[..end])?);
            self.done = end + 4;
        }
        let Some(head) = &self.head else { return Ok(false) };
        match head.framing {
            Framing::Length(length) => {
                if self.raw.len() - self.done >= length {
                    self.body.extend_from_slice(&self.raw[self.done..self.done + length]);
                    self.complete = true;
                }
            }
            Framing::Chunked => self.chunks()?,
        }
        if self.answered.is_none() {
            let answer = if self.streams() {
                self.events.find(self.before, &self.body)
            } else {
                self.complete.then_some(0..self.body.len())
            };
            self.answered = answer.map(|answer| (Instant::now(), answer));
        }
        Ok(self.complete)
    }

    fn chunks(&mut self) -> anyhow::Result<()> {
        loop {
            let rest = &self.raw[self.done..];
            let Some(line) = memmem::find(rest, b"\r\n") else { return Ok(()) };
            let size =
                std::str::from_utf8(&rest[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size.context("a chunk without a size")?;
            let data = line + 2..line + 2 + size;
            if rest.len() < data.end + 2 {
                return Ok(());
            }
            self.body.extend_from_slice(&rest[data.clone()]);
            self.done += data.end + 2;
            if size == 0 {
                self.complete = true;
                return Ok(());
            }
        }
    }

    fn streams(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.streams)
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    /// The new session, if this response names one.
    pub(crate) fn session(&self) -> Option<&str> {
        self.head.as_ref()?.session.as_deref()
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// How many JSON-RPC messages are in it.
    pub(crate) fn answers(&self) -> usize {
        if self.streams() {
            memmem::find_iter(&self.body, EVENT_DATA).count()
        } else {
            usize::from(!self.body.is_empty())
        }
    }

    /// The JSON-RPC message of the response, and when it was there.
    pub(crate) fn answer(&self) -> anyhow::Result<(&[u8], Instant)> {
        match &self.answered {
            Some((at, answer)) if self.status() == 200 => Ok((&self.body[answer.clone()], *at)),
            _ => bail!("status {}: {}", self.status(), String::from_utf8_lossy(&self.body)),
        }
    }
}

impl Head {
    fn parse(head: &[u8]) -> anyhow::Result<Self> {
        let head = std::str::from_utf8(head).context("a head that is no text")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.context("no status line")?;
        let mut parsed = Self { status, framing: Framing::Length(0), streams: false, session: None };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                parsed.framing = Framing::Length(value.parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                ensure!(value == "chunked", "transfer-encoding {value}");
                parsed.framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("content-type") {
                parsed.streams = value.starts_with("text/event-stream");
            } else if name.eq_ignore_ascii_case("mcp-session-id") {
                parsed.session = Some(value.to_owned());
            }
        }
        Ok(parsed)
    }
}

impl Events {
    /// Where the message after so many stands, once it is whole: a line of data that is a JSON object. None of the servers
    /// measured breaks lines in it. Events that only open the stream have no data.
    fn find(&mut self, before: usize, stream: &[u8]) -> Option<Range<usize>> {
        loop {
            let start = match self.begun {
                Some(start) => start,
                None => {
                    let Some(at) = memmem::find(&stream[self.looked..], EVENT_DATA) else {
                        // It may have come in part.
                        self.looked = self.looked.max(stream.len().saturating_sub(EVENT_DATA.len()));
                        return None;
                    };
                    let start = self.looked + at + EVENT_DATA.len() - 1;
                    (self.begun, self.looked) = (Some(start), start);
                    start
                }
            };
            let Some(length) = memchr::memchr(b'\n', &stream[self.looked..]) else {
                self.looked = stream.len();
                return None;
            };
            let end = self.looked + length;
            (self.begun, self.looked) = (None, end);
            self.whole += 1;
            if self.whole > before {
                return Some(start..end);
            }
        }
    }
}
