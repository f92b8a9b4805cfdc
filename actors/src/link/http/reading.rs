//! Reading what the server sends: event streams, single messages, the bodies of refusals.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Response, header};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::event::PostFailure;
use crate::link::sse::{Event, Parser};
use crate::message::Envelope;

/// How much of a refusal's body is kept, and how long it may take to arrive.
const EXCERPT_BYTES: usize = 4096;
const EXCERPT_TIME: Duration = Duration::from_secs(5);
/// How long to wait before a stream is resumed, where the server does not say.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

/// Messages of one stream that may wait for their reader. A flood stays in the server's buffers.
pub(super) const AHEAD: usize = 32;

/// One response that is an event stream.
pub(super) struct EventStream {
    ahead: Arc<Semaphore>,
    response: Response,
    parser: Parser,
}

impl EventStream {
    pub(super) fn new(response: Response, limit: usize) -> Self {
        Self { ahead: Arc::new(Semaphore::new(AHEAD)), response, parser: Parser::new(limit) }
    }

    /// The next message, once fewer than [`AHEAD`] are held.
    ///
    /// # Errors
    /// `Cut` at the end of the stream, orderly or not, and `TooLong`.
    pub(super) async fn next(&mut self) -> Result<(Bytes, Option<OwnedSemaphorePermit>), PostFailure> {
        loop {
            if let (Event::Message(message), permit) = self.next_event().await? {
                return Ok((message, permit));
            }
        }
    }

    /// The next event, in the same way.
    ///
    /// # Errors
    /// As those of [`EventStream::next`].
    pub(super) async fn next_event(&mut self) -> Result<(Event, Option<OwnedSemaphorePermit>), PostFailure> {
        // Never closed, so there is always one.
        let permit = self.ahead.clone().acquire_owned().await.ok();
        loop {
            match self.parser.next_event() {
                Ok(Some(event)) => return Ok((event, permit)),
                Ok(None) => {}
                Err(error) => return Err(PostFailure::TooLong { limit: error.limit }),
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.parser.push(chunk),
                Ok(None) => return Err(PostFailure::Cut { cause: "the event stream ended".to_owned() }),
                Err(error) => return Err(PostFailure::Cut { cause: cause(error) }),
            }
        }
    }
}

/// From where a stream is resumed, across its responses.
#[derive(Default)]
pub(super) struct Cursor {
    last_id: Option<Bytes>,
    retry: Option<Duration>,
}

impl Cursor {
    /// Takes over what this part of the stream has said.
    pub(super) fn follow(&mut self, part: &EventStream) {
        self.last_id = part.parser.last_id().cloned().or(self.last_id.take());
        self.retry = part.parser.retry().or(self.retry);
    }

    pub(super) fn last_id(&self) -> Option<&Bytes> {
        self.last_id.as_ref()
    }

    /// The server refuses to resume from here.
    pub(super) fn forget(&mut self) {
        self.last_id = None;
    }

    /// How long to wait before the next attempt; never nothing, whatever the server says.
    pub(super) fn retry(&self) -> Duration {
        self.retry.unwrap_or(DEFAULT_RETRY).max(Duration::from_millis(50))
    }
}

pub(super) fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let essence = content_type.and_then(|value| value.split(|byte| *byte == b';').next()).unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// A whole body that is one message.
pub(super) async fn message(mut response: Response, limit: usize) -> Result<Bytes, PostFailure> {
    let too_long = || PostFailure::TooLong { limit };
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(too_long());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| PostFailure::Cut { cause: cause(error) })?
    {
        if body.is_empty() && chunk.len() as u64 == announced {
            return Ok(chunk); // in one piece: nothing to copy
        }
        if body.len() + chunk.len() > limit {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The beginning of a body that nobody waits for.
pub(super) async fn excerpt(response: &mut Response) -> Bytes {
    let mut body = BytesMut::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= EXCERPT_BYTES {
                break;
            }
        }
    };
    // What has arrived by then is enough.
    let _ = timeout(EXCERPT_TIME, read).await;
    body.truncate(EXCERPT_BYTES);
    body.freeze()
}

/// A refusal as a failure, with what its sender says about it.
pub(super) async fn refusal(mut response: Response) -> PostFailure {
    let seconds = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
    let challenges: Vec<&str> = challenges.iter().filter_map(|value| value.to_str().ok()).collect();
    PostFailure::Status {
        code: response.status().as_u16(),
        retry_after: seconds.map(Duration::from_secs),
        challenge: (!challenges.is_empty()).then(|| challenges.join(", ")),
        body: excerpt(&mut response).await,
    }
}

/// Whether the answer to `wire` is (in) this message.
pub(super) fn answers(message: &Bytes, wire: u64) -> bool {
    let is_answer = |bytes: Bytes| {
        Envelope::parse(bytes).is_ok_and(|envelope| envelope.is_answer() && envelope.wire_id() == Some(wire))
    };
    if message.trim_ascii_start().first() != Some(&b'[') {
        return is_answer(message.clone());
    }
    let batch: Vec<&RawValue> = serde_json::from_slice(message).unwrap_or_default();
    batch.iter().any(|part| is_answer(message.slice_ref(part.get().as_bytes())))
}

/// What went wrong, innermost last, without the URL (it may hold a key) and the client's own layers.
pub(super) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = vec![error.to_string()];
    let mut inner = error.source();
    while let Some(error) = inner {
        told.push(error.to_string());
        inner = error.source();
    }
    told.dedup();
    let is_layer =
        |text: &String| text.starts_with("error sending request") || text.starts_with("client error (");
    let layers = told.iter().take_while(|text| is_layer(text)).count();
    told.drain(..layers.min(told.len().saturating_sub(1)));
    told.join(": ")
}
