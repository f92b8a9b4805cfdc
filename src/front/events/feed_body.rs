//! The event stream of a GET: the standalone one, or what is left of a POST's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use mcpvisor_actors::byte_channel::Receiver;

use super::keep_alive::KeepAlive;
use super::{EventId, Numbered, STANDALONE, write_event, write_priming};
use crate::front::admission::Held;
use crate::front::lease::Lease;
use crate::front::measure::OpenStream;
use crate::front::session::{InUse, Session, SessionMsg};

/// Events that are ready together travel in one piece, up to about this many bytes.
const PIECE: usize = 64 << 10;

/// A stream that the Session feeds. It ends when the Session lets go of the other end.
pub(crate) struct FeedBody {
    stream: u64,
    /// The event before the first that follows.
    after: u64,
    priming: bool,
    backlog: VecDeque<Numbered>,
    feed: Receiver<Numbered>,
    keep_alive: KeepAlive,
    /// An open stream keeps its session.
    _in_use: InUse,
    /// Of the standalone stream: tells the Session how far its client got.
    end: Option<FeedEnd>,
    /// How long its reader may read.
    lease: Option<Lease>,
    _open: OpenStream,
    /// Counts it at the bounds there are.
    _held: Option<Arc<Held>>,
}

/// Reports the end of one standalone stream.
pub(crate) struct FeedEnd {
    pub(crate) session: Arc<Session>,
    /// Which of the session's standalone streams it was.
    pub(crate) generation: u64,
}

impl FeedBody {
    /// `backlog` goes first, then what comes from `feed`.
    pub(crate) fn new(
        session: &Arc<Session>,
        after: EventId,
        backlog: Vec<Numbered>,
        feed: Receiver<Numbered>,
        end: Option<FeedEnd>,
    ) -> Self {
        let face = session.face();
        let gauge = if after.stream == STANDALONE { &face.streams_get } else { &face.streams_post };
        Self {
            stream: after.stream,
            after: after.sequence,
            priming: session.version().primes_streams(),
            backlog: backlog.into(),
            feed,
            keep_alive: KeepAlive::new(face.settings().keep_alive),
            _in_use: session.begin_use(),
            end,
            lease: None,
            _open: OpenStream::new(gauge),
            _held: None,
        }
    }

    /// The same, no longer than this lasts: what is still to be said can be fetched by whoever may.
    pub(crate) fn under(self, lease: Lease) -> Self {
        let mut feed = self;
        feed.lease = Some(lease);
        feed
    }

    /// The same, counted for as long as it is open.
    pub(crate) fn holding(mut self, held: Arc<Held>) -> Self {
        self._held = Some(held);
        self
    }

    /// The next bytes of the stream.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.lease.as_mut().is_some_and(|lease| lease.poll_over(cx).is_ready()) {
            return Poll::Ready(None);
        }
        let mut piece = BytesMut::new();
        if std::mem::take(&mut self.priming) {
            write_priming(&mut piece, EventId { stream: self.stream, sequence: self.after });
        }
        let mut ended = false;
        while piece.len() < PIECE {
            match self.poll_event(cx) {
                Poll::Ready(Some((sequence, message))) => {
                    write_event(&mut piece, EventId { stream: self.stream, sequence }, &message);
                    self.after = sequence;
                }
                Poll::Ready(None) => {
                    ended = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        if !piece.is_empty() {
            self.keep_alive.reset();
            return Poll::Ready(Some(piece.freeze()));
        }
        if ended {
            return Poll::Ready(None);
        }
        self.keep_alive.poll(cx).map(Some)
    }

    /// The next message, for another form than that of [`FeedBody::poll_piece`].
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_event(cx).map(|event| {
            let (sequence, message) = event?;
            self.after = sequence;
            Some(message)
        })
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Numbered>> {
        match self.backlog.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None => self.feed.poll_recv(cx),
        }
    }
}

impl Drop for FeedBody {
    fn drop(&mut self) {
        if let Some(end) = &self.end {
            end.session.send(SessionMsg::FeedClosed { generation: end.generation, after: self.after });
        }
    }
}
