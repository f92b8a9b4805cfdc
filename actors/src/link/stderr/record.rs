//! What a child has written to its standard error, for whoever asks: while it runs, and afterwards.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::Request;

/// A part of what was written. Offsets count from the first byte that the child wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The bytes from `start` to `end`.
    pub text: Bytes,
    /// Where it begins: later than what was asked for if that has been forgotten (64 KiB are kept).
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

/// The standard error of one incarnation. Cheap to clone. Does not keep its pipe open; keeps its last 64 KiB.
#[derive(Debug, Clone)]
pub struct StderrRecord {
    /// Which launch of this service it is.
    pub incarnation: u64,
    /// Its process.
    pub pid: Option<u32>,
    pub(super) requests: mpsc::WeakSender<Request>,
    /// As of its end, or from when nobody could ask any more.
    pub(super) last: watch::Receiver<Written>,
    /// How much has been written so far.
    pub(super) progress: watch::Receiver<u64>,
}

/// The standard error of a connection: of its incarnation, and of the one before.
#[derive(Debug, Clone, Default)]
pub struct StderrHistory {
    /// Of the incarnation of now, or the last one.
    pub current: Option<StderrRecord>,
    /// Of the one before: where a crash has been explained whose restart went well.
    pub previous: Option<StderrRecord>,
    /// No other will follow: the session, or the service, has ended.
    pub over: bool,
}

impl StderrRecord {
    /// What was written from this offset on, as far as it is kept. Answers at once.
    pub async fn since(&self, from: u64) -> Written {
        if let Some(requests) = self.requests.upgrade() {
            let (written, answer) = oneshot::channel();
            if requests.send(Request::Since { from, written }).await.is_ok()
                && let Ok(written) = answer.await
            {
                return written;
            }
        }
        self.last.borrow().since(from)
    }

    /// Waits until more than this has been written; false: nothing more will come. Cancel-safe.
    pub async fn more_than(&mut self, end: u64) -> bool {
        self.progress.wait_for(|written| *written > end).await.is_ok()
    }
}

impl StderrHistory {
    pub(crate) fn begin(&mut self, record: StderrRecord) {
        self.previous = self.current.replace(record);
        self.over = false;
    }
}

impl Written {
    fn since(&self, from: u64) -> Self {
        let skipped = from.saturating_sub(self.start).min(self.text.len() as u64);
        Self { text: self.text.slice(skipped as usize..), start: self.start + skipped, end: self.end }
    }
}
