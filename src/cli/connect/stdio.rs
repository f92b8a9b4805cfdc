//! Standard input and output, a thread each: a client's pipes are pipes, sockets or files, and only blocking calls know all of them.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use mcpvisor_actors::{Line, Splitter};
use tokio::sync::{OwnedSemaphorePermit, mpsc as channel};
use tokio_util::sync::CancellationToken;

/// Lines of the client that may wait.
const AHEAD: usize = 64;
/// How long the last lines may take to a client that does not read.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What the client writes.
pub(super) struct Input(channel::Receiver<Line>);

/// What the client reads.
pub(super) struct Output {
    lines: mpsc::Sender<Said>,
    closed: CancellationToken,
    written: CancellationToken,
}

/// A message on its way, with what holds back the stream it came from until it is written.
type Said = (Bytes, Option<OwnedSemaphorePermit>);

impl Input {
    /// Reads from now on; a line may have `limit` bytes.
    pub(super) fn start(limit: usize) -> Self {
        let (sender, lines) = channel::channel(AHEAD);
        // Never joined: a read cannot be interrupted, and the process ends without it.
        thread::spawn(move || read(std::io::stdin().lock(), limit, &sender));
        Self(lines)
    }

    /// The next line; after [`Line::Eof`] and [`Line::TooLong`] nothing follows. Cancel-safe.
    pub(super) async fn next(&mut self) -> Line {
        self.0.recv().await.unwrap_or(Line::Eof { partial: false })
    }
}

fn read(mut from: impl Read, limit: usize, lines: &channel::Sender<Line>) {
    let mut splitter = Splitter::new(limit);
    let mut chunk = vec![0; 64 << 10];
    loop {
        while let Some(line) = splitter.pop() {
            let last = !matches!(line, Line::Frame(_));
            if lines.blocking_send(line).is_err() || last {
                return;
            }
        }
        match from.read(&mut chunk) {
            Ok(length) if length > 0 => splitter.push(chunk.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // What cannot be read any more has ended; what stands there without an end may be a whole message.
            _ => {
                splitter.push(b"\n");
                while let Some(line) = splitter.pop() {
                    let _ = lines.blocking_send(line);
                }
                let _ = lines.blocking_send(Line::Eof { partial: false });
                return;
            }
        }
    }
}

impl Output {
    /// Writes from now on.
    pub(super) fn start() -> Self {
        let (lines, said) = mpsc::channel::<Said>();
        let (closed, written) = (CancellationToken::new(), CancellationToken::new());
        let (broken, done) = (closed.clone(), written.clone().drop_guard());
        thread::spawn(move || {
            let _done = done;
            for (message, permit) in said {
                if std::io::stdout().lock().write_all(&to_line(&message)).is_err() {
                    return broken.cancel();
                }
                drop(permit);
            }
            let _ = std::io::stdout().lock().flush();
        });
        Self { lines, closed, written }
    }

    /// Says one message, once those before it are written.
    pub(super) fn say(&self, message: Bytes, permit: Option<OwnedSemaphorePermit>) {
        // Nobody reads: see `closed`.
        let _ = self.lines.send((message, permit));
    }

    /// The client does not read any more.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Everything is written, or cannot be.
    pub(super) async fn finish(self) {
        let Self { lines, written, .. } = self;
        drop(lines);
        let _ = tokio::time::timeout(LAST_LINES, written.cancelled()).await;
    }
}

/// Between the tokens of a message may stand line ends, which would end it here. Inside of strings JSON has none.
fn to_line(message: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(message.len() + 1);
    line.extend(message.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static [u8], limit: usize) -> Vec<Line> {
        let (sender, mut lines) = channel::channel(AHEAD);
        read(text, limit, &sender);
        std::iter::from_fn(|| lines.try_recv().ok()).collect()
    }

    /// `printf '{…}' | mcpvisor connect demo` would get no answer.
    #[test]
    fn a_last_line_without_an_end_counts() {
        let frame = |text| Line::Frame(Bytes::from_static(text));
        let ended = Line::Eof { partial: false };
        assert_eq!(lines(b"{1}\r\n\n{2}", 9), [frame(b"{1}"), frame(b"{2}"), ended.clone()]);
        assert_eq!(lines(b"", 9), [ended]);
        assert_eq!(lines(b"1234567890\nx", 9), [Line::TooLong { limit: 9 }]);
    }

    #[test]
    fn a_pretty_printed_message_is_one_line() {
        assert_eq!(to_line(b"{\n \"a\": \"\\n\"\r\n}"), b"{  \"a\": \"\\n\"  }\n");
    }
}
