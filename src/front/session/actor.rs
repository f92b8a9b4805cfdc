//! The Session actor.
//!
//! * Owns: the session's standalone stream, what it still has to say, the POST streams that a client left.
//! * Receives: what the backend says of its own accord; streams that open and close; the end.
//! * Sends: events into streams; refusals of server requests that no client will answer.
//! * Dies when: the session ends. After a panic it is rebuilt, without what it kept for a resume.
//!
//! Requests and their answers do not pass here.

use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::actor::{Actor, ActorKind, ActorRef};
use mcpvisor_actors::byte_channel::{self, NotSent};
use mcpvisor_actors::message::{self, Envelope};
use mcpvisor_actors::{EndCause, SessionEvent};
use ractor::ActorProcessingErr;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outbox::Outbox;
use super::replies::Replies;
use super::table::Table;
use super::{FEED, Session};
use crate::front::events::{EventId, FeedBody, FeedEnd, Numbered, STANDALONE, Unfinished};
use crate::front::rejection::INTERNAL_ERROR;

/// The stream that a client asks to resume is unknown, or no longer kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotKept;

/// Where an opened stream goes.
pub(crate) type FeedReply = oneshot::Sender<Result<FeedBody, NotKept>>;

/// A GET.
pub(crate) struct OpenFeed {
    /// `Last-Event-ID`
    pub(crate) from: Option<EventId>,
    pub(crate) reply: FeedReply,
}

/// What a Session is told.
pub(crate) enum SessionMsg {
    /// The backend says something that belongs to no request.
    Event(SessionEvent),
    /// A client opens the standalone stream, or resumes any.
    Open(OpenFeed),
    /// A standalone stream has ended; its client got as far as `after`.
    FeedClosed { generation: u64, after: u64 },
    /// A POST's stream may carry the server requests that wait for one.
    TakeHeld(oneshot::Sender<Vec<Bytes>>),
    /// The answer of a POST has become a stream. `give_up` asks its connection to let go of it.
    ReplyOpened { stream: u64, give_up: oneshot::Sender<()> },
    /// The connection of a POST's stream is gone, with what it had not said; `None` = nothing to resume.
    ReplyLeft { stream: u64, unfinished: Option<Box<Unfinished>> },
    /// One more message of a POST's stream that was left.
    ReplyMessage { stream: u64, message: Bytes },
    /// A POST's stream that was left has nothing more to say.
    ReplyFinished { stream: u64 },
    /// Server requests may have waited long enough.
    Expire,
    /// The session is over.
    End,
    /// A bug of ours.
    #[cfg(test)]
    Panic,
}

pub(super) struct SessionActor;

pub(super) struct State {
    session: Arc<Session>,
    table: Arc<Table>,
    outbox: Outbox,
    feed: Option<Feed>,
    generation: u64,
    replies: Replies,
    expiry_set: bool,
}

/// The standalone stream that is open now.
struct Feed {
    generation: u64,
    sender: byte_channel::Sender<Numbered>,
}

impl Actor for SessionActor {
    const KIND: ActorKind = ActorKind::Session;
    type Msg = SessionMsg;
    type State = State;
    type Arguments = (Arc<Session>, Arc<Table>);

    async fn pre_start(
        &self,
        _: ActorRef<SessionMsg>,
        (session, table): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let bounds = session.face().settings().replay_bounds;
        let (outbox, replies) = (Outbox::new(bounds), Replies::new(bounds));
        // Whatever was open or held died with the actor before this one.
        session.set_stream_open(false);
        session.set_holds(false);
        Ok(State { session, table, outbox, feed: None, generation: 0, replies, expiry_set: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<SessionMsg>,
        message: SessionMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionMsg::Event(event) => state.event(&myself, event),
            SessionMsg::Open(OpenFeed { from, reply }) => state.open(from, reply),
            SessionMsg::FeedClosed { generation, after } => state.feed_closed(generation, after),
            SessionMsg::TakeHeld(reply) => drop(reply.send(state.outbox.take_requests())),
            SessionMsg::ReplyOpened { stream, give_up } => state.replies.opened(stream, give_up),
            SessionMsg::ReplyLeft { stream, unfinished } => {
                state.replies.left(&state.session, stream, unfinished);
            }
            SessionMsg::ReplyMessage { stream, message } => {
                if !state.replies.message(stream, message) {
                    state.session.face().overflows.increment(1);
                }
            }
            SessionMsg::ReplyFinished { stream } => state.replies.finished(stream),
            SessionMsg::Expire => state.expire(),
            SessionMsg::End => myself.stop(None),
            #[cfg(test)]
            SessionMsg::Panic => panic!("on demand"),
        }
        state.after(&myself);
        Ok(())
    }
}

impl State {
    fn event(&mut self, myself: &ActorRef<SessionMsg>, event: SessionEvent) {
        match event {
            SessionEvent::Message(message) => self.say(message, None),
            SessionEvent::ServerRequest { id, message } => self.say(message, Some(id)),
            SessionEvent::ServerRequestGone { id } => self.outbox.forget(&id),
            SessionEvent::Ended(cause) => self.ended(myself, cause),
        }
    }

    /// Into the stream if one is open; else it waits for one, within bounds.
    fn say(&mut self, message: Bytes, request: Option<Bytes>) {
        let sequence = self.session.next_event();
        let into = |feed: &Feed| feed.sender.try_send((sequence, message.clone()), message.len());
        let said = match self.feed.as_ref().map(into) {
            Some(Ok(())) => true,
            Some(Err(NotSent::Full)) => {
                // Too slow: it may come back and resume; nobody waits for it.
                self.session.face().overflows.increment(1);
                self.close_feed();
                false
            }
            Some(Err(NotSent::Closed)) | None => false,
        };
        let refused = self.outbox.push((sequence, message), request, said, Instant::now());
        self.refuse(&refused, "too many requests wait for the client to open a stream");
    }

    fn open(&mut self, from: Option<EventId>, reply: FeedReply) {
        match from {
            Some(from) if from.stream != STANDALONE => self.replies.resume(&self.session, from, reply),
            from => self.open_standalone(from.map(|from| from.sequence), reply),
        }
    }

    fn open_standalone(&mut self, after: Option<u64>, reply: FeedReply) {
        if reply.is_closed() {
            return; // gone before it opened: what would be said now would be lost
        }
        self.generation += 1;
        let generation = self.generation;
        let (sender, receiver) = byte_channel::channel(FEED);
        let backlog = self.outbox.open(after);
        let first = backlog.first().map(|(sequence, _)| sequence.saturating_sub(1));
        let sequence = after.or(first).unwrap_or_else(|| self.session.last_event());
        let from = EventId { stream: STANDALONE, sequence };
        let end = FeedEnd { session: self.session.clone(), generation };
        // Replaces the one before, which ends once it has said what it was given.
        self.feed = Some(Feed { generation, sender });
        self.session.set_stream_open(true);
        let _ = reply.send(Ok(FeedBody::new(&self.session, from, backlog, receiver, Some(end))));
    }

    fn feed_closed(&mut self, generation: u64, after: u64) {
        if self.generation != generation {
            return;
        }
        self.close_feed();
        self.outbox.unsay_after(after, Instant::now());
    }

    fn close_feed(&mut self) {
        if self.feed.take().is_some_and(|feed| feed.generation == self.generation) {
            self.session.set_stream_open(false);
        }
    }

    fn expire(&mut self) {
        self.expiry_set = false;
        let refused = self.outbox.expire(Instant::now());
        self.refuse(&refused, "the client opened no stream to be asked on");
    }

    /// Answers the backend in place of a client that will not.
    fn refuse(&self, requests: &[Bytes], why: &str) {
        for id in requests {
            let answer = message::error(Some(id), INTERNAL_ERROR, why, None);
            if let Ok(answer) = Envelope::parse(answer) {
                self.session.respond(answer);
            }
        }
    }

    fn ended(&mut self, myself: &ActorRef<SessionMsg>, cause: EndCause) {
        self.table.remove(self.session.id(), cause);
        myself.stop(None);
    }

    /// What holds after every message.
    fn after(&mut self, myself: &ActorRef<SessionMsg>) {
        self.session.set_holds(self.outbox.has_waiting_requests());
        if self.expiry_set {
            return;
        }
        if let Some(at) = self.outbox.next_expiry() {
            self.expiry_set = true;
            myself.send_after(at.saturating_duration_since(Instant::now()), SessionMsg::Expire);
        }
    }
}
