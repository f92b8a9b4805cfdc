//! Where the answer to one request goes.
//!
//! Most requests are answered with one message, so a reply is one oneshot; it becomes a stream only
//! when something precedes the answer (progress, a log line, a request of the server).

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::byte_channel::{self, Bounds, Receiver, Sender};
use crate::error::Refusal;

/// What may wait for a slow reader before the answer; the answer itself always has room.
const PRECEDING: Bounds = Bounds { messages: 256, bytes: 8 << 20 };

/// The answer: the backend's message with the client's id, or an error of ours.
pub type Answer = Result<Bytes, Refusal>;

/// What a request's sender sees first.
#[derive(Debug)]
pub enum Exchange {
    /// The answer, with nothing before it.
    Answer(Answer),
    /// Something precedes the answer.
    Stream(ReplyStream),
}

/// Messages in order, then the answer.
#[derive(Debug)]
pub struct ReplyStream {
    /// What precedes the answer; ends when the answer is there.
    pub preceding: Receiver<Bytes>,
    /// The answer.
    pub answer: oneshot::Receiver<Answer>,
}

/// The sending side of an [`Exchange`].
#[derive(Debug)]
pub struct Reply(State);

#[derive(Debug)]
enum State {
    First(oneshot::Sender<Exchange>),
    Streaming { preceding: Sender<Bytes>, answer: oneshot::Sender<Answer> },
    Gone,
}

impl Reply {
    /// A reply and what its receiver waits for.
    pub fn new() -> (Self, oneshot::Receiver<Exchange>) {
        let (sender, receiver) = oneshot::channel();
        (Self(State::First(sender)), receiver)
    }

    /// Sends a message before the answer. False if the reader is gone or too slow; it is then dropped,
    /// since one slow reader must not hold up a backend.
    pub(crate) fn precede(&mut self, message: Bytes) -> bool {
        if let State::First(_) = self.0 {
            self.become_stream();
        }
        match &self.0 {
            State::Streaming { preceding, .. } => preceding.try_send_bytes(message).is_ok(),
            State::First(_) | State::Gone => false,
        }
    }

    pub(crate) fn answer(self, answer: Answer) {
        // A receiver that is gone is a client that went away: its answer has no reader any more.
        match self.0 {
            State::First(first) => drop(first.send(Exchange::Answer(answer))),
            State::Streaming { answer: last, .. } => drop(last.send(answer)),
            State::Gone => {}
        }
    }

    fn become_stream(&mut self) {
        let State::First(first) = std::mem::replace(&mut self.0, State::Gone) else { return };
        let (preceding, receiver) = byte_channel::channel(PRECEDING);
        let (answer, answered) = oneshot::channel();
        let stream = ReplyStream { preceding: receiver, answer: answered };
        if first.send(Exchange::Stream(stream)).is_ok() {
            self.0 = State::Streaming { preceding, answer };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_alone_needs_no_stream() {
        let (reply, receiver) = Reply::new();
        reply.answer(Ok(Bytes::from_static(b"{}")));
        assert!(matches!(receiver.await, Ok(Exchange::Answer(Ok(_)))));
    }

    #[tokio::test]
    async fn what_precedes_the_answer_comes_first_and_a_slow_reader_still_gets_the_answer() {
        let (mut reply, receiver) = Reply::new();
        let taken = (0..PRECEDING.messages + 10).filter(|_| reply.precede(Bytes::from_static(b"p"))).count();
        reply.answer(Ok(Bytes::from_static(b"a")));
        assert_eq!(taken, PRECEDING.messages);
        let Ok(Exchange::Stream(mut stream)) = receiver.await else { panic!("a stream") };
        let mut seen = 0;
        while stream.preceding.recv().await.is_some() {
            seen += 1;
        }
        assert_eq!(seen, PRECEDING.messages);
        assert!(matches!(stream.answer.await, Ok(Ok(_))));
    }
}
