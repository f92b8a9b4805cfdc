//! A child's stderr: always drained, its end kept for error reports, and told, within limits, to the log.
//!
//! * owns: the read end of the pipe, the ring of the last 64 KiB
//! * receives: requests for the tail, from any number of [`StderrTail`]s
//! * ends: when every writer has gone, or a minute after nobody asks any more, since a descendant that got away may hold
//!   the pipe for ever. A [`StderrTail`] gives the tail also after that.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::process::pipes::{self, Chunk};

mod log;
mod record;
mod ring;

use log::{LineLog, Origin};
pub use record::{StderrHistory, StderrRecord, Written};
use ring::StderrRing;

/// Two reads nearer to each other than this are a flood of small writes …
const FLOOD: Duration = Duration::from_millis(2);

/// … and what comes next is left to gather in the pipe for so long: 200 wake-ups a second and not one for each line.
const GATHER: Duration = Duration::from_millis(5);

/// How long a child whose connection is gone is still drained: longer than its ladder, so that it can end in order.
const LINGER: Duration = Duration::from_secs(60);

/// How often a request for the tail reads on before it is answered: all that a wide pipe holds.
const READS_BEFORE_TAIL: usize = 4;

/// Asks for the end of what a child wrote to stderr, while it runs and afterwards.
#[derive(Clone, Debug)]
pub struct StderrTail {
    requests: mpsc::Sender<Request>,
    last: watch::Receiver<Written>,
    progress: watch::Receiver<u64>,
}

#[derive(Debug)]
enum Request {
    /// The last so many bytes.
    Tail { max: usize, tail: oneshot::Sender<Bytes> },
    /// What was written from this offset on.
    Since { from: u64, written: oneshot::Sender<Written> },
    /// The child is this session's now.
    Session(String),
}

/// [`pipes::read_ready`] or [`pipes::read_now`].
type Read = fn(&Receiver, &mut dyn FnMut(&[u8])) -> io::Result<Chunk<()>>;

struct Drain {
    pipe: Receiver,
    ring: StderrRing,
    log: LineLog,
    last: watch::Sender<Written>,
    progress: watch::Sender<u64>,
}

/// Starts to drain the pipe; `session` is the hash of its id, since ids are secrets. Must be called in the context of a
/// runtime.
pub fn spawn(pipe: Receiver, backend: String, session: String, pid: u32) -> StderrTail {
    let (requests, inbox) = mpsc::channel(4);
    let (last, last_tail) = watch::channel(Written::default());
    let (progress, seen) = watch::channel(0);
    let log = LineLog::new(Origin { backend, session, pid }, Instant::now());
    tokio::spawn(Drain { pipe, ring: StderrRing::default(), log, last, progress }.run(inbox));
    StderrTail { requests, last: last_tail, progress: seen }
}

impl StderrTail {
    /// Of a child that has written nothing; `slow`: whoever asks waits in vain.
    #[cfg(test)]
    pub(crate) fn for_tests(slow: bool) -> Self {
        let (requests, mut inbox) = mpsc::channel(4);
        let (_, last) = watch::channel(Written::default());
        let (_, progress) = watch::channel(0);
        if slow {
            tokio::spawn(async move {
                let mut asked = Vec::new();
                while let Some(request) = inbox.recv().await {
                    asked.push(request);
                }
            });
        }
        Self { requests, last, progress }
    }

    /// The last whole lines, at most `max` bytes; what the child has written so far is in it, even if it was not read
    /// yet. Answers at once.
    pub async fn tail(&self, max: usize) -> Bytes {
        let (tail, answer) = oneshot::channel();
        if self.requests.send(Request::Tail { max, tail }).await.is_ok()
            && let Ok(tail) = answer.await
        {
            return tail;
        }
        ring::last_lines(&self.last.borrow().text, max, false)
    }

    /// For those who want to read it, also when it is over. Keeps nothing alive.
    pub fn record(&self, incarnation: u64, pid: Option<u32>) -> StderrRecord {
        let (last, progress) = (self.last.clone(), self.progress.clone());
        StderrRecord { incarnation, pid, requests: self.requests.downgrade(), last, progress }
    }

    /// What is logged from now on is logged as of the session with this hash.
    pub fn belongs_to(&self, session: String) {
        // Full only while tails are asked for; the log would name the old one, and nothing else.
        let _ = self.requests.try_send(Request::Session(session));
    }
}

impl Drain {
    async fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        let mut leave_at: Option<Instant> = None;
        let mut last_read: Option<Instant> = None;
        let mut gather = None;
        loop {
            tokio::select! {
                biased;
                request = inbox.recv(), if leave_at.is_none() => match request {
                    Some(request) => self.answer(request),
                    None => {
                        leave_at = Some(Instant::now() + LINGER);
                        self.last.send_replace(self.ring.since(0));
                    }
                },
                () = sleep_until(leave_at.unwrap_or_else(Instant::now)), if leave_at.is_some() => return,
                readable = readable(&self.pipe, gather.take()) => {
                    if readable.is_err() {
                        return;
                    }
                    let now = Instant::now();
                    match self.read(now, |pipe, take| pipes::read_ready(pipe, take)) {
                        // A flood of large writes is read at full speed, but lets others run.
                        Ok(Chunk::Data { filled: true, .. }) => {
                            self.show_progress(leave_at.is_none());
                            tokio::task::yield_now().await;
                        }
                        Ok(Chunk::Data { filled: false, .. }) => {
                            self.show_progress(leave_at.is_none());
                            let flood = last_read.is_some_and(|last| now.duration_since(last) < FLOOD);
                            gather = flood.then_some(now + GATHER);
                            last_read = Some(now);
                        }
                        Ok(Chunk::Empty) => {}
                        Ok(Chunk::End) | Err(_) => return,
                    }
                }
            }
        }
    }

    fn answer(&mut self, request: Request) {
        if let Request::Session(session) = request {
            return self.log.rename(session);
        }
        let now = Instant::now();
        for _ in 0..READS_BEFORE_TAIL {
            if !matches!(self.read(now, |pipe, take| pipes::read_now(pipe, take)), Ok(Chunk::Data { .. })) {
                break;
            }
        }
        self.show_progress(true);
        // Nobody waits for it any more: then nothing is lost.
        match request {
            Request::Tail { max, tail } => drop(tail.send(self.ring.tail(max))),
            Request::Since { from, written } => drop(written.send(self.ring.since(from))),
            Request::Session(_) => {}
        }
    }

    /// Wakes those who follow, as long as what they ask then is answered.
    fn show_progress(&self, answers: bool) {
        if answers {
            self.progress.send_replace(self.ring.end());
        }
    }

    fn read(&mut self, now: Instant, read: Read) -> io::Result<Chunk<()>> {
        let (ring, log) = (&mut self.ring, &mut self.log);
        read(&self.pipe, &mut |chunk| {
            ring.push(chunk);
            log.push(chunk, now);
        })
    }
}

/// However it ends, by itself or with its runtime.
impl Drop for Drain {
    fn drop(&mut self) {
        self.log.finish(Instant::now());
        self.last.send_replace(self.ring.since(0));
        self.progress.send_replace(self.ring.end());
    }
}

/// Waits for more. A tail request that comes first loses `gather`, which costs one wake-up.
async fn readable(pipe: &Receiver, gather: Option<Instant>) -> io::Result<()> {
    if let Some(gather) = gather {
        sleep_until(gather).await;
    }
    pipe.readable().await
}

#[cfg(test)]
mod tests;
