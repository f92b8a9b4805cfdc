//! The streams of a session's POSTs: those that a client is connected to, and those that one left.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::byte_channel::{self, NotSent};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::actor::{FeedReply, NotKept, SessionMsg};
use super::replay::{Bounds, Replay};
use super::{FEED, Session};
use crate::front::events::{EventId, FeedBody, Numbered, Unfinished};

/// Finished streams kept for a client that lost the end of one.
const MAX_FINISHED: usize = 16;

pub(super) struct Replies {
    bounds: Bounds,
    open: HashMap<u64, Open>,
    left: BTreeMap<u64, Left>,
}

/// A client is connected, as far as we know.
struct Open {
    give_up: Option<oneshot::Sender<()>>,
    resume: Option<Resume>,
}

/// No client is connected, or one resumed it and may go again.
struct Left {
    replay: Replay,
    live: Option<byte_channel::Sender<Numbered>>,
    /// Takes what is still to come; `None` once everything has been said.
    pump: Option<Pump>,
}

/// A client that waits for the stream from an event on.
struct Resume {
    from: EventId,
    reply: FeedReply,
}

/// Ends its task when dropped.
struct Pump(AbortHandle);

impl Replies {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, open: HashMap::new(), left: BTreeMap::new() }
    }

    /// A client is connected to the stream; `give_up` makes it let go.
    pub(super) fn opened(&mut self, stream: u64, give_up: oneshot::Sender<()>) {
        self.open.insert(stream, Open { give_up: Some(give_up), resume: None });
    }

    /// The connection of the stream is gone. What is unfinished goes on without it.
    pub(super) fn left(&mut self, session: &Arc<Session>, stream: u64, unfinished: Option<Box<Unfinished>>) {
        let resume = self.open.remove(&stream).and_then(|open| open.resume);
        let Some(mut unfinished) = unfinished else { return };
        let replay = std::mem::replace(&mut unfinished.replay, Replay::new(self.bounds));
        let pump = (!unfinished.is_finished())
            .then(|| Pump(tokio::spawn(pump(session.clone(), stream, unfinished)).abort_handle()));
        self.left.insert(stream, Left { replay, live: None, pump });
        if let Some(resume) = resume {
            self.resume(session, resume.from, resume.reply);
        }
        self.evict();
    }

    /// Gives the rest of a stream to a client that lost it.
    pub(super) fn resume(&mut self, session: &Arc<Session>, from: EventId, reply: FeedReply) {
        if let Some(open) = self.open.get_mut(&from.stream) {
            // The client knows better than we do: the connection that it has left is dead.
            if let Some(give_up) = open.give_up.take() {
                let _ = give_up.send(());
            }
            open.resume = Some(Resume { from, reply });
            return;
        }
        let answer = match self.left.get_mut(&from.stream) {
            Some(left) => Ok(left.feed(session, from)),
            None => Err(NotKept),
        };
        let _ = reply.send(answer); // else the client has gone again
    }

    /// One more message of a stream that was left. False if its new reader is too slow and was cut off.
    pub(super) fn message(&mut self, stream: u64, message: Bytes) -> bool {
        let Some(left) = self.left.get_mut(&stream) else { return true };
        let sequence = left.replay.push(message.clone());
        let Some(live) = &left.live else { return true };
        let length = message.len();
        match live.try_send((sequence, message), length) {
            Ok(()) => true,
            Err(NotSent::Closed) => {
                left.live = None;
                true
            }
            Err(NotSent::Full) => {
                left.live = None;
                false
            }
        }
    }

    /// A stream that was left has said everything.
    pub(super) fn finished(&mut self, stream: u64) {
        if let Some(left) = self.left.get_mut(&stream) {
            left.live = None;
            left.pump = None;
        }
        self.evict();
    }

    /// Keeps the finished streams within bounds, oldest first; the newest stays whatever its size.
    fn evict(&mut self) {
        loop {
            let finished = || self.left.iter().filter(|(_, left)| left.pump.is_none());
            let bytes: usize = finished().map(|(_, left)| left.replay.size()).sum();
            let count = finished().count();
            let over = count > MAX_FINISHED || (bytes > self.bounds.bytes && count > 1);
            let Some(oldest) = finished().map(|(stream, _)| *stream).next().filter(|_| over) else { return };
            self.left.remove(&oldest);
        }
    }
}

impl Left {
    fn feed(&mut self, session: &Arc<Session>, from: EventId) -> FeedBody {
        let (sender, receiver) = byte_channel::channel(FEED);
        let backlog = self.replay.after(from.sequence);
        self.live = self.pump.is_some().then_some(sender);
        FeedBody::new(session, from, backlog, receiver, None)
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn pump(session: Arc<Session>, stream: u64, mut unfinished: Box<Unfinished>) {
    while let Some(message) = unfinished.message().await {
        session.send(SessionMsg::ReplyMessage { stream, message });
    }
    session.send(SessionMsg::ReplyFinished { stream });
}
