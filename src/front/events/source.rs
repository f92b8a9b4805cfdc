//! Where the messages of one request come from: whatever precedes its answer, then the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use mcpvisor_actors::{Answer, Challenge, Exchange, ReplyStream, message};
use tokio::sync::oneshot;

use crate::front::admission::Held;
use crate::front::measure::Operation;
use crate::front::rejection::INTERNAL_ERROR;
use crate::front::session::InUse;
use crate::front::unified::Seen;

/// One request in flight, seen from its client.
pub(crate) struct Source {
    state: State,
    /// The client's id, raw JSON: errors of our own need it.
    id: Bytes,
    operation: Operation,
    /// A session with work in flight does not expire. `None`: it has no session.
    _in_use: Option<InUse>,
    /// The backend will not have the client's credentials, in its own words.
    challenge: Option<Arc<Challenge>>,
    /// Counts it at the bounds there are.
    _held: Option<Held>,
    /// How the client sees it, where that is not as the backend says it.
    seen: Option<Box<Seen>>,
}

enum State {
    Waiting(oneshot::Receiver<Exchange>),
    Preceded(ReplyStream),
    Answering(oneshot::Receiver<Answer>),
    /// Nothing is to be said if the client took the request back.
    Answered(Option<Bytes>),
    Done,
}

impl Source {
    pub(crate) fn new(
        exchange: oneshot::Receiver<Exchange>,
        id: Bytes,
        operation: Operation,
        in_use: Option<InUse>,
    ) -> Self {
        Self {
            state: State::Waiting(exchange),
            id,
            operation,
            _in_use: in_use,
            _held: None,
            challenge: None,
            seen: None,
        }
    }

    /// The same, counted until its answer is taken.
    pub(crate) fn holding(self, held: Option<Held>) -> Self {
        Self { _held: held, ..self }
    }

    /// The same as a client sees it that has several backends.
    pub(crate) fn seen_by(self, seen: Seen) -> Self {
        Self { seen: Some(Box::new(seen)), ..self }
    }

    /// Ready once it is known whether anything precedes the answer: true if something does.
    pub(crate) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if let State::Waiting(exchange) = &mut self.state {
            let exchange = ready!(Pin::new(exchange).poll(cx));
            self.begin(exchange.ok());
        }
        Poll::Ready(matches!(self.state, State::Preceded(_) | State::Answering(_)))
    }

    /// The answer, if [`Source::poll_first`] found nothing before it.
    pub(crate) fn take_answer(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Answered(answer) => answer,
            _ => None,
        }
    }

    /// Why the answer has a status of its own, once it is there.
    pub(crate) fn challenge(&self) -> Option<&Arc<Challenge>> {
        self.challenge.as_ref()
    }

    /// The client's id, raw JSON.
    pub(crate) fn id(&self) -> &Bytes {
        &self.id
    }

    /// Whether the answer was given out, or there is none to give.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The next message; `None` after the answer.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Waiting(exchange) => {
                    let exchange = ready!(Pin::new(exchange).poll(cx));
                    self.begin(exchange.ok());
                }
                State::Preceded(stream) => match ready!(stream.preceding.poll_recv(cx)) {
                    Some(message) => {
                        return Poll::Ready(Some(match &self.seen {
                            None => message,
                            Some(seen) => seen.heard(message),
                        }));
                    }
                    None => self.await_answer(),
                },
                State::Answering(answer) => {
                    let answer = ready!(Pin::new(answer).poll(cx));
                    let answer = self.conclude(answer.ok());
                    self.state = State::Answered(answer);
                }
                State::Answered(answer) => {
                    let answer = answer.take();
                    self.state = State::Done;
                    return Poll::Ready(answer);
                }
                State::Done => return Poll::Ready(None),
            }
        }
    }

    fn begin(&mut self, exchange: Option<Exchange>) {
        self.state = match exchange {
            Some(Exchange::Stream(stream)) => State::Preceded(stream),
            Some(Exchange::Answer(answer)) => State::Answered(self.conclude(Some(answer))),
            None => State::Answered(self.conclude(None)),
        };
    }

    fn await_answer(&mut self) {
        if let State::Preceded(stream) = std::mem::replace(&mut self.state, State::Done) {
            self.state = State::Answering(stream.answer);
        }
    }

    /// What the client is told. No answer at all is a bug of ours; even then it is told something.
    fn conclude(&mut self, answer: Option<Answer>) -> Option<Bytes> {
        self.operation.finish(answer.as_ref());
        // Taken: from now on the client may use the id for something else.
        if let (Some(seen), Some(Ok(answer))) = (self.seen.take(), &answer) {
            seen.answered(answer);
        }
        match answer {
            Some(Ok(answer)) => Some(answer),
            Some(Err(mcpvisor_actors::Refusal::Cancelled)) => None,
            Some(Err(refusal)) => {
                self.challenge = refusal.challenge().cloned();
                Some(refusal.to_message(Some(&self.id)))
            }
            None => {
                let text = "mcpvisor lost the request; please report this";
                Some(message::error(Some(&self.id), INTERNAL_ERROR, text, None))
            }
        }
    }
}
