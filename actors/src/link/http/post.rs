//! One POST, from its sending to its one end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Body, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::body::{Handover, WatchedBody};
use super::endpoint::{Endpoint, Unanswered};
use super::event::{Events, PostFailure, Upstream};
use super::reading::{self, Cursor, EventStream};
use super::token::TokenError;
use super::tool_list;
use crate::credentials::Credentials;
use crate::era;
use crate::message::Envelope;

/// How long others wait for `initialized` to be acknowledged.
const GATE_TIME: Duration = Duration::from_secs(10);
/// How long a server may take to acknowledge what expects no answer. Nobody else has a deadline for it.
const NOTICE_TIME: Duration = Duration::from_secs(60);
/// A stream is read on after the answer, so that its connection can be used again, but not for ever.
const LINGER: Duration = Duration::from_secs(1);

/// One message on its way.
pub(super) struct Post {
    endpoint: Arc<Endpoint>,
    events: Events,
    frame: Bytes,
    wire: Option<u64>,
    handover: Handover,
    subject: Subject,
    /// What its client has shown with it.
    whose: Option<Credentials>,
}

/// What a request to a modern server is about, as far as its transport has a part in it.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    /// Headers may repeat the arguments of the tool.
    Call,
    /// What its tools are.
    List,
    Other,
}

impl Subject {
    fn of(frame: &Bytes) -> Self {
        match Envelope::parse(frame.clone()).ok().as_ref().and_then(Envelope::method) {
            Some("tools/call") => Self::Call,
            Some("tools/list") => Self::List,
            _ => Self::Other,
        }
    }
}

/// Why a post has no response.
enum Unsent {
    Failed(String),
    NoToken(TokenError),
}

impl From<Unanswered> for Unsent {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NoToken(error) => Self::NoToken(error),
            failed => Self::Failed(failed.cause()),
        }
    }
}

/// Why a post has ended without an answer.
enum End {
    /// With the request that was refused for it.
    SessionLost(Option<u64>),
    Failed(PostFailure),
}

impl From<PostFailure> for End {
    fn from(failure: PostFailure) -> Self {
        Self::Failed(failure)
    }
}

impl Post {
    pub(super) fn new(endpoint: Arc<Endpoint>, events: Events, frame: Bytes, wire: Option<u64>) -> Self {
        let handover = Handover::new(wire, events.clone());
        let subject =
            if endpoint.is_modern() && wire.is_some() { Subject::of(&frame) } else { Subject::Other };
        Self { endpoint, events, frame, wire, handover, subject, whose: None }
    }

    /// In the name of a client.
    pub(super) fn shown(self, whose: Option<Credentials>) -> Self {
        Self { whose, ..self }
    }

    /// Sends, reads, reports; waits for `gate` before.
    pub(super) async fn run(self, gate: Option<CancellationToken>) {
        pass(gate).await;
        let wire = self.wire;
        match self.exchange().await {
            Ok(()) => {}
            Err(End::SessionLost(wire)) => (self.events)(Upstream::SessionLost { wire }),
            Err(End::Failed(failure)) => (self.events)(Upstream::PostFailed { wire, failure }),
        }
    }

    async fn exchange(&self) -> Result<(), End> {
        let mut response = self.begin().await?;
        if self.subject == Subject::Call && response.status() == StatusCode::BAD_REQUEST {
            let refusal = reading::refusal(response).await;
            // It was not executed. What its headers are to repeat may have changed since the list was read.
            if !self.is_mismatch(&refusal)
                || !tool_list::renew(&self.endpoint, self.whose.as_ref(), &self.frame).await
            {
                return self.settle(refusal);
            }
            response = self.begin().await?;
        }
        if !response.status().is_success() {
            return self.refused(response).await;
        }
        if self.endpoint.is_sse() {
            reading::excerpt(&mut response).await; // read, so that the connection can be used again
            return Ok(());
        }
        self.endpoint.learn_session(&response);
        if reading::is_event_stream(&response) {
            return self.read_stream(response).await;
        }
        self.read_message(response).await
    }

    /// Sends; the head of the answer.
    async fn begin(&self) -> Result<Response, End> {
        let response = match self.send().await {
            Ok(response) => response,
            Err(Unsent::NoToken(error)) => return Err(PostFailure::NoToken { error }.into()),
            Err(Unsent::Failed(cause)) if self.handover.is_done() => {
                return Err(PostFailure::Cut { cause }.into());
            }
            Err(Unsent::Failed(cause)) => return Err(PostFailure::NotSent { cause }.into()),
        };
        // A server may answer before it has read the request; `Sent` still comes first.
        self.handover.report();
        Ok(response)
    }

    async fn send(&self) -> Result<Response, Unsent> {
        let body = || Body::wrap(WatchedBody::new(self.frame.clone(), self.handover.clone()));
        let mirror = self.endpoint.mirror(&self.frame);
        let sending = self.endpoint.post(self.whose.as_ref(), body, mirror);
        if self.wire.is_some() {
            return sending.await.map_err(Unsent::from); // its owner keeps the deadline
        }
        match timeout(NOTICE_TIME, sending).await {
            Ok(sent) => sent.map_err(Unsent::from),
            Err(_) => Err(Unsent::Failed(format!("not acknowledged within {} s", NOTICE_TIME.as_secs()))),
        }
    }

    async fn refused(&self, response: Response) -> Result<(), End> {
        if self.endpoint.session_lost(response.status()) {
            return Err(End::SessionLost(self.wire));
        }
        self.settle(reading::refusal(response).await)
    }

    fn settle(&self, failure: PostFailure) -> Result<(), End> {
        let PostFailure::Status { code, body, .. } = &failure else { return Err(failure.into()) };
        // Some servers put the answer to a bad request into a 400; what the status alone says, goes first.
        let by_status = matches!(code, 401 | 403 | 429 | 500..=599);
        match self.wire {
            Some(wire) if !by_status && reading::answers(body, wire) => {
                self.deliver(body.clone(), None);
                Ok(())
            }
            _ => Err(failure.into()),
        }
    }

    async fn read_message(&self, mut response: Response) -> Result<(), End> {
        let Some(wire) = self.wire else {
            reading::excerpt(&mut response).await; // read, so that the connection can be used again
            return Ok(());
        };
        let status = response.status().as_u16();
        let message = reading::message(response, self.endpoint.limit()).await?;
        let answered = reading::answers(&message, wire);
        let is_json = answered || serde_json::from_slice::<serde::de::IgnoredAny>(&message).is_ok();
        let bytes = message.len();
        if is_json {
            self.deliver(message, None);
        }
        if answered {
            return Ok(());
        }
        let cause = match (bytes, is_json) {
            (0, _) => format!("HTTP status {status} with an empty body"),
            (_, true) => format!("HTTP status {status} with JSON that does not answer the request"),
            (_, false) => format!("HTTP status {status} with {bytes} bytes that are not JSON"),
        };
        Err(PostFailure::Malformed { cause }.into())
    }

    async fn read_stream(&self, mut response: Response) -> Result<(), End> {
        let mut cursor = Cursor::default();
        loop {
            let mut stream = EventStream::new(response, self.endpoint.limit());
            let cut = match self.read_to_answer(&mut stream).await {
                Ok(()) => return Ok(()),
                Err(_) if self.wire.is_none() => return Ok(()),
                Err(cut @ PostFailure::Cut { .. }) => cut,
                Err(failure) => return Err(failure.into()),
            };
            cursor.follow(&stream);
            drop(stream);
            if cursor.last_id().is_none() || self.endpoint.is_modern() {
                return Err(cut.into());
            }
            sleep(cursor.retry()).await;
            response = self.resume(&cursor).await?;
        }
    }

    async fn read_to_answer(&self, stream: &mut EventStream) -> Result<(), PostFailure> {
        loop {
            let (message, permit) = stream.next().await?;
            let answered = self.wire.is_some_and(|wire| reading::answers(&message, wire));
            self.deliver(message, permit);
            if answered {
                break;
            }
        }
        let rest = async {
            while let Ok((message, permit)) = stream.next().await {
                self.deliver(message, permit);
            }
        };
        // Answered: how the rest ends does not matter.
        let _ = timeout(LINGER, rest).await;
        Ok(())
    }

    async fn resume(&self, cursor: &Cursor) -> Result<Response, End> {
        let refused =
            |why: String| PostFailure::Cut { cause: format!("the stream ended and was not resumed: {why}") };
        let resumed = self.endpoint.get(self.whose.as_ref(), cursor.last_id()).await;
        let response = resumed.map_err(|error| refused(error.cause()))?;
        let status = response.status();
        if self.endpoint.session_lost(status) {
            // Unlike a POST that is refused, this request may have been executed: two things to report.
            let failure = refused("the session is gone".to_owned());
            (self.events)(Upstream::PostFailed { wire: self.wire, failure });
            return Err(End::SessionLost(None));
        }
        if status != StatusCode::OK || !reading::is_event_stream(&response) {
            return Err(refused(format!("HTTP status {}", status.as_u16())).into());
        }
        Ok(response)
    }

    /// Whether the server finds that the headers say something else than the body.
    fn is_mismatch(&self, refusal: &PostFailure) -> bool {
        let PostFailure::Status { body, .. } = refusal else { return false };
        self.wire.is_some_and(|wire| reading::answers(body, wire))
            && Envelope::parse(body.clone())
                .is_ok_and(|answer| answer.error_code() == Some(era::HEADER_MISMATCH))
    }

    fn deliver(&self, bytes: Bytes, permit: Option<OwnedSemaphorePermit>) {
        let bytes = if self.subject == Subject::List { self.endpoint.sift(bytes) } else { bytes };
        (self.events)(Upstream::Frame { wire: self.wire, bytes, permit });
    }
}

/// Waits until what has to be first has been acknowledged, or has had time enough.
pub(super) async fn pass(gate: Option<CancellationToken>) {
    if let Some(gate) = gate {
        // Too late is not lost: the server may cope.
        let _ = timeout(GATE_TIME, gate.cancelled()).await;
    }
}
