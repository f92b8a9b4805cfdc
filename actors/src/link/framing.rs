//! Lines from a child's stdout: the framing of stdio servers, with a hard cap.
//!
//! [`Splitter`] is the pure half (bytes in, lines out); [`LineReader`] feeds it from a pipe. Neither holds a buffer while
//! nothing is on its way: a session that is idle costs about a hundred bytes here.

use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::net::unix::pipe::Receiver;

use crate::process::pipes::{self, Chunk};

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A whole line that is not empty, without its end (`\n` or `\r\n`).
    Frame(Bytes),
    /// A line longer than allowed, in bytes. Nothing after it is read: this is a fault.
    TooLong {
        /// The longest line allowed, in bytes.
        limit: usize,
    },
    /// The stream has ended.
    Eof {
        /// In the middle of a line, which is dropped.
        partial: bool,
    },
}

/// Splits a stream into lines, whatever the chunks it comes in.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    whole: VecDeque<Bytes>,
    partial: BytesMut,
    too_long: bool,
}

/// Reads lines from a pipe.
#[derive(Debug)]
pub struct LineReader {
    pipe: Receiver,
    splitter: Splitter,
    ended: bool,
    widened: bool,
}

impl Splitter {
    /// `limit` is the longest line allowed, in bytes, without its end.
    pub fn new(limit: usize) -> Self {
        Self { limit, whole: VecDeque::new(), partial: BytesMut::new(), too_long: false }
    }

    /// Takes the next bytes of the stream. Ignored after a line that is too long.
    pub fn push(&mut self, mut chunk: &[u8]) {
        while !self.too_long {
            let Some(end) = memchr::memchr(b'\n', chunk) else {
                self.keep(chunk);
                return;
            };
            self.complete(&chunk[..end]);
            chunk = &chunk[end + 1..];
        }
    }

    /// The next line, if there is a whole one.
    pub fn pop(&mut self) -> Option<Line> {
        if let Some(line) = self.whole.pop_front() {
            return Some(Line::Frame(line));
        }
        // What a burst of small lines has left behind is not kept for an idle session.
        if self.whole.capacity() > 64 {
            self.whole = VecDeque::new();
        }
        self.too_long.then_some(Line::TooLong { limit: self.limit })
    }

    /// Whether the stream stands in the middle of a line.
    pub fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    fn complete(&mut self, rest: &[u8]) {
        if self.partial.is_empty() {
            let line = without_return(rest);
            self.too_long = line.len() > self.limit;
            if !line.is_empty() && !self.too_long {
                self.whole.push_back(Bytes::copy_from_slice(line));
            }
            return;
        }
        self.keep(rest);
        let mut line = std::mem::take(&mut self.partial);
        line.truncate(without_return(&line).len());
        // Empty too if it has just proved too long.
        if !line.is_empty() {
            self.whole.push_back(line.freeze());
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        // One more than allowed may be the `\r` of an end that is on its way.
        let fits = self.partial.len() + bytes.len() <= self.limit.saturating_add(1);
        if fits {
            self.partial.extend_from_slice(bytes);
        }
        if !fits || without_return(&self.partial).len() > self.limit {
            self.too_long = true;
            self.partial = BytesMut::new();
        }
    }
}

impl LineReader {
    /// `limit` is the longest line allowed, in bytes, without its end.
    pub fn new(pipe: Receiver, limit: usize) -> Self {
        Self { pipe, splitter: Splitter::new(limit), ended: false, widened: false }
    }

    /// The next line. Cancel-safe. After [`Line::TooLong`] or [`Line::Eof`] it says the same again.
    ///
    /// # Errors
    /// What the system says of a read.
    pub async fn next(&mut self) -> io::Result<Line> {
        loop {
            if let Some(line) = self.splitter.pop() {
                return Ok(line);
            }
            if self.ended {
                return Ok(Line::Eof { partial: self.splitter.is_partial() });
            }
            // A child that floods must not keep this worker from its other sessions.
            tokio::task::coop::consume_budget().await;
            self.pipe.readable().await?;
            self.read()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        match pipes::read_ready(&self.pipe, |chunk| self.splitter.push(chunk))? {
            Chunk::Data { filled: true, .. } if !self.widened => {
                pipes::widen(&self.pipe);
                self.widened = true;
            }
            Chunk::Data { .. } | Chunk::Empty => {}
            Chunk::End => self.ended = true,
        }
        Ok(())
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
