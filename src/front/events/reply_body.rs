//! The event stream that answers a POST.
//!
//! It belongs to the connection of the client for as long as that lasts. When it goes, what is
//! unfinished, and what was sent last, moves to the Session, where the client can resume it: going
//! away is not a cancel.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use super::keep_alive::KeepAlive;
use super::{EventId, Source, write_event, write_priming};
use crate::front::measure::OpenStream;
use crate::front::session::{Replay, Session, SessionMsg};
use crate::front::unfetched::Unfetched;

/// Events that are ready together travel in one piece, up to about this many bytes.
const PIECE: usize = 64 << 10;

/// See the module.
pub(crate) struct ReplyBody {
    session: Arc<Session>,
    stream: u64,
    rest: Unfinished,
    /// Still to be said: where to resume.
    priming: bool,
    /// What of the last events is still to be handed over, if they were large.
    large: Option<Unfetched>,
    keep_alive: KeepAlive,
    /// Somebody resumes this stream elsewhere: this connection is dead and nobody has told us.
    give_up: Option<oneshot::Receiver<()>>,
    done: bool,
    _open: OpenStream,
}

/// What a stream still has to say, and what it said last.
pub(crate) struct Unfinished {
    /// Server requests that waited for any stream to open.
    held: VecDeque<Bytes>,
    sources: Vec<Source>,
    /// What was sent, for a client that asks again.
    pub(crate) replay: Replay,
}

impl ReplyBody {
    /// Opens the next stream of `session`, with `held` messages first.
    pub(crate) fn open(session: &Arc<Session>, sources: Vec<Source>, held: Vec<Bytes>) -> Self {
        let stream = session.next_stream();
        let (ask, give_up) = oneshot::channel();
        session.send(SessionMsg::ReplyOpened { stream, give_up: ask });
        let replay = Replay::new(session.face().settings().replay_bounds);
        Self {
            stream,
            rest: Unfinished { held: held.into(), sources, replay },
            priming: session.version().primes_streams(),
            large: None,
            keep_alive: KeepAlive::new(session.face().settings().keep_alive),
            give_up: Some(give_up),
            done: false,
            _open: OpenStream::new(&session.face().streams_post),
            session: session.clone(),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done && self.large.is_none()
    }

    /// The next bytes of the stream.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.must_give_up(cx) {
            return Poll::Ready(None);
        }
        if let Some(piece) = self.large.as_mut().and_then(Unfetched::next_piece) {
            return Poll::Ready(Some(piece));
        }
        self.large = None;
        if self.done {
            return Poll::Ready(None);
        }
        let mut piece = BytesMut::new();
        if std::mem::take(&mut self.priming) {
            // Numbered, so that a client that saw nothing else resumes from the very beginning.
            write_priming(&mut piece, EventId { stream: self.stream, sequence: 0 });
            self.rest.replay.prime();
        }
        while piece.len() < PIECE {
            match self.rest.poll_message(cx) {
                Poll::Ready(Some(message)) => {
                    let sequence = self.rest.replay.push(message.clone());
                    write_event(&mut piece, EventId { stream: self.stream, sequence }, &message);
                }
                Poll::Ready(None) => {
                    self.done = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        if !piece.is_empty() {
            self.keep_alive.reset();
            let piece = piece.freeze();
            self.large = Unfetched::of(&self.session, &piece);
            let first = self.large.as_mut().and_then(Unfetched::next_piece);
            return Poll::Ready(Some(first.unwrap_or(piece)));
        }
        if self.done {
            return Poll::Ready(None);
        }
        self.keep_alive.poll(cx).map(Some)
    }

    fn must_give_up(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(give_up) = &mut self.give_up else { return false };
        match Pin::new(give_up).poll(cx) {
            Poll::Pending => false,
            Poll::Ready(asked) => {
                self.give_up = None;
                asked.is_ok() // else the Session was rebuilt, and knows nothing of this stream
            }
        }
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        let nothing =
            Unfinished { held: VecDeque::new(), sources: Vec::new(), replay: self.rest.replay.emptied() };
        let rest = std::mem::replace(&mut self.rest, nothing);
        // A client that never saw an id has nothing to resume from.
        let unfinished = rest.replay.was_used().then(|| Box::new(rest));
        self.session.send(SessionMsg::ReplyLeft { stream: self.stream, unfinished });
    }
}

impl Unfinished {
    /// The next message of any of the requests; `None` when all are answered.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(message) = self.held.pop_front() {
            return Poll::Ready(Some(message));
        }
        let mut at = 0;
        while let Some(source) = self.sources.get_mut(at) {
            match source.poll_message(cx) {
                Poll::Ready(Some(message)) => return Poll::Ready(Some(message)),
                Poll::Ready(None) => drop(self.sources.swap_remove(at)),
                Poll::Pending => at += 1,
            }
        }
        if self.sources.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }

    /// The next message, once there is one.
    pub(crate) async fn message(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|cx| Poll::Ready(ready!(self.poll_message(cx)))).await
    }

    /// Whether everything has been said.
    pub(crate) fn is_finished(&self) -> bool {
        self.held.is_empty() && self.sources.is_empty()
    }
}
