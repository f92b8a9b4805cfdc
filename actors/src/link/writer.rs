//! Writes lines to a child's standard input without ever waiting.
//!
//! A line is written straight from the Connection; what the pipe does not take waits here, bounded, and
//! goes on when the pipe is writable. So it is always known which requests the child cannot have seen.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::unix::pipe::Sender;
use tokio::task::AbortHandle;

use super::{Events, LinkEvent, Sent};
use crate::fault::{Fault, FaultReason};
use crate::process::pipes;

/// Lines that may wait; requests are bounded before they come here, notifications are not.
const MAX_LINES: usize = 1024;

struct Line {
    bytes: Bytes,
    request: Option<u64>,
}

pub(crate) struct Writer {
    pipe: Arc<Sender>,
    events: Events,
    queue: VecDeque<Line>,
    queued_bytes: usize,
    max_bytes: usize,
    stall: Duration,
    waiter: Option<AbortHandle>,
}

impl Writer {
    /// `max_bytes` may wait in all; `stall`: no progress for this long is a fault.
    pub(crate) fn new(pipe: Sender, events: Events, max_bytes: usize, stall: Duration) -> Self {
        let pipe = Arc::new(pipe);
        Self { pipe, events, queue: VecDeque::new(), queued_bytes: 0, max_bytes, stall, waiter: None }
    }

    /// Another patience from now on.
    pub(crate) fn configure(&mut self, stall: Duration) {
        self.stall = stall;
    }

    /// Sends one message as one line.
    pub(crate) fn send(&mut self, message: &Bytes, request: Option<u64>) -> Sent {
        let mut line = Line { bytes: to_line(message), request };
        if self.queue.is_empty() {
            match write(&self.pipe, &mut line.bytes) {
                Ok(_) if line.bytes.is_empty() => return Sent::Written,
                // The child cannot have seen this. If it has ended, that is reported too, and is the better
                // cause; one that only closed its input lives on, and nobody else would notice.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    self.events.report(LinkEvent::Broken(closed(&error)));
                    return Sent::Queued;
                }
                Ok(written) if written > 0 => {
                    // A line that does not fit an ordinary pipe: the next ones may.
                    pipes::widen(&self.pipe);
                    self.wait(line);
                    return Sent::Written;
                }
                _ => {}
            }
        }
        if self.queue.len() >= MAX_LINES || self.queued_bytes + line.bytes.len() > self.max_bytes {
            return Sent::Full;
        }
        self.wait(line);
        Sent::Queued
    }

    /// Goes on writing; the requests whose first byte has now been written.
    pub(crate) fn resume(&mut self) -> Result<Vec<u64>, Fault> {
        self.waiter = None;
        let mut started = Vec::new();
        while let Some(line) = self.queue.front_mut() {
            let before = line.bytes.len();
            let outcome = write(&self.pipe, &mut line.bytes);
            let written = before - line.bytes.len();
            self.queued_bytes -= written;
            if written > 0 {
                started.extend(line.request.take());
            }
            match outcome {
                Ok(_) if line.bytes.is_empty() => drop(self.queue.pop_front()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(closed(&error)),
            }
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(0);
        } else {
            self.arm();
        }
        Ok(started)
    }

    fn wait(&mut self, line: Line) {
        self.queued_bytes += line.bytes.len();
        self.queue.push_back(line);
        if self.waiter.is_none() {
            self.arm();
        }
    }

    fn arm(&mut self) {
        let (pipe, events, stall) = (self.pipe.clone(), self.events.clone(), self.stall);
        let task = tokio::spawn(async move {
            let event = match tokio::time::timeout(stall, pipe.writable()).await {
                Ok(_) => LinkEvent::Writable,
                Err(_) => LinkEvent::Broken(Fault::new(
                    FaultReason::WriteStalled,
                    format!("it has not read its standard input for {stall:?} (timeouts.write)"),
                )),
            };
            events.send(event);
        });
        self.waiter = Some(task.abort_handle());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The waiter holds the pipe: standard input is closed only once it is gone.
        if let Some(waiter) = &self.waiter {
            waiter.abort();
        }
    }
}

fn closed(error: &io::Error) -> Fault {
    Fault::new(FaultReason::Eof, format!("standard input is closed: {error}"))
}

fn write(pipe: &Sender, bytes: &mut Bytes) -> io::Result<usize> {
    let written = pipe.try_write(bytes)?;
    let _ = bytes.split_to(written);
    Ok(written)
}

/// A line ends at the first newline, so those between the tokens of a pretty-printed message become
/// spaces. Inside strings JSON has none.
fn to_line(message: &Bytes) -> Bytes {
    let mut line = Vec::with_capacity(message.len() + 1);
    line.extend_from_slice(message);
    if memchr::memchr2(b'\n', b'\r', &line).is_some() {
        for byte in &mut line {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pretty_printed_message_becomes_one_line() {
        let line = to_line(&Bytes::from_static(b"{\n  \"a\": \"\\n\"\r\n}"));
        assert_eq!(&line[..], b"{   \"a\": \"\\n\"  }\n");
    }
}
