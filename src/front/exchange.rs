//! Requests inside a session, to their answers: the hot path.
//!
//! JSON in one piece when the answer is the first thing to say; a stream when something precedes it, when
//! it takes so long that somebody on the way might think it lost, or when the client prefers one.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::Envelope;
use mcpvisor_actors::{Exchange, Refusal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::admission::Held;
use super::body::{self, FrontBody, HttpResponse};
use super::events::{ReplyBody, Source};
use super::measure::Operation;
use super::rejection::Rejection;
use super::session::{Session, SessionMsg, Way};
use super::unfetched;
use crate::telemetry::traces::RequestTrace;

/// Sends one request to the backend and answers with what it says; `held` until then. `as_stream`: the client would
/// rather have a stream, which it can resume.
pub(crate) async fn one(
    session: &Arc<Session>,
    message: Envelope,
    held: Option<Held>,
    as_stream: bool,
) -> Result<HttpResponse, Rejection> {
    let mut source = send(session, message).holding(held);
    let held = held_requests(session).await;
    // What a backend says to credentials has a status, which a stream that is open cannot have any more.
    let waits = !as_stream || session.face().settings().sees_credentials;
    if held.is_empty() && waits {
        let first = poll_fn(|cx| source.poll_first(cx));
        if let Ok(false) = timeout(session.face().settings().keep_alive, first).await
            && (!as_stream || source.challenge().is_some())
        {
            return Ok(match source.take_answer() {
                Some(answer) => match source.challenge() {
                    None => body::answer(session, answer),
                    Some(challenge) => Rejection::challenge(challenge, answer).into_response(),
                },
                // The client took its request back: there is nothing to say, and it waits for nothing.
                None => body::empty(StatusCode::ACCEPTED),
            });
        }
    }
    Ok(stream(session, vec![source], held))
}

/// Several at once: their answers in one array, or one stream if any of them needs one.
pub(crate) async fn several(session: &Arc<Session>, messages: Vec<(Envelope, Option<Held>)>) -> HttpResponse {
    let send = |(message, held)| send(session, message).holding(held);
    let mut sources: Vec<Source> = messages.into_iter().map(send).collect();
    let held = held_requests(session).await;
    if held.is_empty() {
        let first = poll_fn(|cx| {
            let mut waits = false;
            for source in &mut sources {
                match source.poll_first(cx) {
                    Poll::Ready(true) => return Poll::Ready(true),
                    Poll::Ready(false) => {}
                    Poll::Pending => waits = true,
                }
            }
            if waits { Poll::Pending } else { Poll::Ready(false) }
        });
        if let Ok(false) = timeout(session.face().settings().keep_alive, first).await {
            let answers: Vec<Bytes> = sources.iter_mut().filter_map(Source::take_answer).collect();
            return match answers.is_empty() {
                true => body::empty(StatusCode::ACCEPTED),
                false => body::answer(session, array(&answers)),
            };
        }
    }
    stream(session, sources, held)
}

/// Sends one request to the backend.
pub(crate) fn send(session: &Arc<Session>, message: Envelope) -> Source {
    let route = match session.way() {
        Way::One(route) => route,
        Way::Many(hub) => return hub.send(session, message),
    };
    let operation = Operation::begin(session.face(), message.method(), session.version());
    let operation = operation.of_tool(route.tool_label(&message));
    let (message, trace) =
        RequestTrace::begin(message, route.key(), session.version().as_str(), Some(session.face()));
    let operation = operation.traced(trace);
    let id = message.id_bytes().unwrap_or_else(|| Bytes::from_static(b"null"));
    let exchange = match unfetched::refusal(session) {
        None => route.request(message),
        Some(refusal) => refused(refusal),
    };
    Source::new(exchange, id, operation, Some(session.begin_use()))
}

pub(crate) fn refused(refusal: Refusal) -> oneshot::Receiver<Exchange> {
    let (reply, exchange) = oneshot::channel();
    let _ = reply.send(Exchange::Answer(Err(refusal)));
    exchange
}

fn stream(session: &Arc<Session>, sources: Vec<Source>, held: Vec<Bytes>) -> HttpResponse {
    body::event_stream(FrontBody::Reply(Box::new(ReplyBody::open(session, sources, held))))
}

/// Server requests that found no stream so far; this answer can carry them.
async fn held_requests(session: &Session) -> Vec<Bytes> {
    if !session.holds() {
        return Vec::new();
    }
    let (reply, held) = oneshot::channel();
    session.send(SessionMsg::TakeHeld(reply));
    held.await.unwrap_or_default()
}

fn array(answers: &[Bytes]) -> Bytes {
    let mut out = Vec::with_capacity(answers.iter().map(|answer| answer.len() + 1).sum::<usize>() + 2);
    out.push(b'[');
    for (at, answer) in answers.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(answer);
    }
    out.push(b']');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_a_batch_are_one_array() {
        let answers = [Bytes::from_static(br#"{"id":1}"#), Bytes::from_static(br#"{"id":2}"#)];
        assert_eq!(&array(&answers)[..], br#"[{"id":1},{"id":2}]"#);
    }
}
