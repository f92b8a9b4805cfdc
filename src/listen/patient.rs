//! A connection whose client has so long for a head, and so long to ask for something at all.
//!
//! Neither runs while a request is answered: its body has a timeout of its own, its answer those of requests, and a stream
//! lasts as long as its client likes. Nor does either while the client has yet to read what was written.
//! A connection that asks for nothing is told to its [`Stage`] before that, so that it can be taken apart meanwhile.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep, sleep};

use super::stage::{About, Stage};
use crate::telemetry::limits;

/// What the client is told whose head does not come.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// To ask for something.
    pub(super) idle: Duration,
    /// For how long it asks for nothing before it is taken apart.
    pub(super) rest: Duration,
}

/// See the module.
pub(super) struct Patient<T> {
    inner: T,
    stage: Arc<Stage>,
    patience: Patience,
    /// Read already, but not yet by whoever reads now.
    early: Bytes,
    /// What is waited for, and since when.
    waits: Option<(About, Instant)>,
    /// It may go off too early, never too late: moving it costs more than looking at it.
    timer: Pin<Box<Sleep>>,
    /// The client has not read all that was written.
    unread: bool,
}

impl<T: Read + Write + Unpin> Patient<T> {
    /// On a connection that has only just begun.
    pub(super) fn new(inner: T, stage: Arc<Stage>, patience: Patience) -> Self {
        let timer = Box::pin(sleep(patience.idle.min(patience.rest)));
        Self { inner, stage, patience, early: Bytes::new(), waits: None, timer, unread: false }
    }

    /// What is below, for whoever waits until something comes, and since when it has been idle.
    pub(super) fn at_rest(&self) -> (&T, Option<Instant>) {
        (&self.inner, self.waits.map(|(_, since)| since))
    }

    /// It is read from anew: these bytes first, which had been read ahead.
    pub(super) fn resume(&mut self, early: Bytes) {
        self.early = early;
        self.stage.set(About::Idle);
    }

    /// Nothing has come: ready once that has lasted too long.
    fn poll_overdue(&mut self, cx: &mut Context<'_>, about: About) -> Poll<()> {
        let patience = match about {
            About::Request => return Poll::Pending,
            _ if self.unread => return Poll::Pending,
            About::Head => self.patience.head,
            About::Idle => self.patience.idle.min(self.patience.rest),
            About::Rest => return Poll::Pending,
        };
        let since = match self.waits {
            Some((waited, since)) if waited == about => since,
            _ => {
                let now = Instant::now();
                self.waits = Some((about, now));
                now
            }
        };
        let deadline = since + patience;
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
    }

    /// It is: the end, as the connection sees it, or a rest.
    fn overdue(&mut self, cx: &mut Context<'_>, about: About) -> Poll<io::Result<()>> {
        if about == About::Idle {
            return if self.rest() { Poll::Pending } else { Poll::Ready(Ok(())) };
        }
        limits::reached(limits::HEADER_TIMEOUT);
        // As much of it as there is room for.
        let _ = Pin::new(&mut self.inner).poll_write(cx, TOO_SLOW);
        let text = "the head did not come within http.header_timeout";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
    }

    /// Whether there is time for one.
    fn rest(&mut self) -> bool {
        let rests = self.patience.rest < self.patience.idle;
        if rests {
            self.stage.set(About::Rest);
        }
        rests
    }

    fn note<R>(&mut self, written: Poll<R>) -> Poll<R> {
        self.unread = written.is_pending();
        written
    }
}

impl<T: Read + Write + Unpin> Read for Patient<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let about = this.stage.about();
        if !this.early.is_empty() {
            let read = this.early.split_to(this.early.len().min(buf.remaining()));
            buf.put_slice(&read);
            this.stage.set(About::Head);
            this.waits = None;
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(read) => {
                if matches!(about, About::Idle | About::Rest) {
                    this.stage.set(About::Head);
                    this.waits = None;
                }
                Poll::Ready(read)
            }
            Poll::Pending => {
                ready!(this.poll_overdue(cx, about));
                this.overdue(cx, about)
            }
        }
    }
}

impl<T: Read + Write + Unpin> Write for Patient<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.note(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        let about = this.stage.about();
        // The response is over. Whoever has been told once that nothing comes need not ask again before something does, and
        // hyper does not: then only this is called when the time is over.
        if about == About::Idle && this.poll_overdue(cx, about).is_ready() {
            this.rest();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
