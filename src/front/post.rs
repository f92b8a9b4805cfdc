//! POST: one message of a client, or a batch of them.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body;
use mcpvisor_actors::message::{Envelope, EnvelopeError, Kind, client_id};

use super::batch;
use super::body::{self, HttpResponse};
use super::era::{self, Era};
use super::exchange;
use super::inbound::Inbound;
use super::initialize::initialize;
use super::payload::{self, Unreadable};
use super::rejection::{INVALID_REQUEST, PARSE_ERROR, Rejection};
use super::{media, modern};
use crate::telemetry::{limits, traces};

/// Reads a body of which nothing but JSON is expected, as all bodies are.
pub(crate) async fn read_any<B>(inbound: &Inbound<'_>, body: B) -> Result<Bytes, Rejection>
where
    B: Body<Data = Bytes> + Unpin,
{
    read(inbound, body, false).await
}

/// Answers a POST. The order of the checks is that of `protocol.md`, "The way in".
pub(crate) async fn post<B>(inbound: Inbound<'_>, body: B) -> Result<HttpResponse, Rejection>
where
    B: Body<Data = Bytes> + Unpin,
{
    let bytes = read(&inbound, body, true).await?;
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Box::pin(batch::batch(inbound, &bytes)).await;
    }
    let message = Envelope::parse(bytes).map_err(|error| unparsable(&error))?;
    let message = inbound.in_its_name(traces::adopt(inbound.headers, message));
    match era::choose(inbound.headers, &message) {
        Era::Legacy => legacy(inbound, message).await,
        Era::Modern => Box::pin(modern::post(&inbound, message)).await,
    }
}

async fn legacy(inbound: Inbound<'_>, message: Envelope) -> Result<HttpResponse, Rejection> {
    if message.kind() != Kind::Request {
        let session = inbound.session(None)?;
        if message.is_answer() {
            session.respond(message);
        } else {
            session.notify(message);
        }
        return Ok(body::empty(StatusCode::ACCEPTED));
    }
    let id = client_id(&message).map_err(|error| Rejection::invalid(None, &error.to_string()))?;
    inbound.check_draining(Some(id))?;
    let held = inbound.admit(Some(id))?;
    if message.method() == Some("initialize") {
        let answered = Box::pin(initialize(inbound, message)).await;
        drop(held);
        return answered;
    }
    let session = inbound.session(Some(id))?;
    exchange::one(&session, message, held, media::prefers_stream(inbound.headers)).await
}

/// Reads the body, once everything is right that can be seen without it. `answers`: the response is the answer.
async fn read<B>(inbound: &Inbound<'_>, body: B, answers: bool) -> Result<Bytes, Rejection>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (headers, settings) = (inbound.headers, inbound.face.settings());
    let limit = settings.max_body_bytes;
    if !media::is_json(headers) {
        let text = "Content-Type must be application/json";
        return Err(Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, text));
    }
    if payload::announces_more_than(headers, limit) {
        // A client that asks before it sends has not sent anything.
        if !expects_continue(headers) {
            Box::pin(payload::discard(body)).await;
        }
        return Err(unreadable(Unreadable::TooLong, limit));
    }
    let takes = |media| !answers || media::accepts(headers, media);
    if !takes(media::JSON) || !takes(media::EVENT_STREAM) {
        let text = "Accept must cover application/json and text/event-stream: the answer may be either";
        return Err(Rejection::new(StatusCode::NOT_ACCEPTABLE, INVALID_REQUEST, text));
    }
    payload::read(body, limit, settings.body_timeout).await.map_err(|error| unreadable(error, limit))
}

/// Why bytes are no message, as the client is told.
pub(crate) fn unparsable(error: &EnvelopeError) -> Rejection {
    let code = match error {
        EnvelopeError::Syntax(_) => PARSE_ERROR,
        EnvelopeError::Shape(_) => INVALID_REQUEST,
    };
    Rejection::new(StatusCode::BAD_REQUEST, code, &error.to_string())
}

fn unreadable(error: Unreadable, limit: usize) -> Rejection {
    match error {
        Unreadable::TooLong => {
            limits::reached(limits::BODY);
            let text = format!("the body is longer than {limit} bytes (limits.max_body_bytes)");
            Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, &text)
        }
        Unreadable::Cut => {
            Rejection::new(StatusCode::BAD_REQUEST, PARSE_ERROR, "the body ended before its time")
        }
        Unreadable::TooSlow => {
            limits::reached(limits::BODY_TIMEOUT);
            let text = "the body stood still for 30 s, or did not come within http.body_timeout";
            Rejection::new(StatusCode::REQUEST_TIMEOUT, PARSE_ERROR, text)
        }
    }
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
