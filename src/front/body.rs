//! What is sent back.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use super::events::{FeedBody, ReplyBody};
use super::modern::TalkBody;
use super::session::Session;
use super::sse::SseBody;
use super::unfetched::Unfetched;

/// Any response of the front.
pub(crate) type HttpResponse = Response<FrontBody>;

/// The body of a response: one piece wherever one piece will do, since a stream costs the client a
/// wake-up per piece.
pub(crate) enum FrontBody {
    /// Nothing, or nothing any more.
    Empty,
    /// All of it.
    Whole(Bytes),
    /// All of it, in pieces.
    Large(Unfetched),
    /// The answers of a POST, and what precedes them.
    Reply(Box<ReplyBody>),
    /// A GET stream.
    Feed(Box<FeedBody>),
    /// All that is said to a client of the older HTTP+SSE.
    Sse(Box<SseBody>),
    /// What a modern client is told, as long as it takes.
    Talk(Box<TalkBody>),
}

impl Body for FrontBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Self::Large(rest) => Poll::Ready(rest.next_piece()),
            Self::Reply(body) => body.poll_piece(cx),
            Self::Feed(body) => body.poll_piece(cx),
            Self::Sse(body) => body.poll_piece(cx),
            Self::Talk(body) => body.poll_piece(cx),
        };
        piece.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Large(rest) => rest.len() == 0,
            Self::Reply(body) => body.is_done(),
            Self::Feed(_) | Self::Sse(_) => false,
            Self::Talk(body) => body.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Large(rest) => SizeHint::with_exact(rest.len() as u64),
            Self::Reply(_) | Self::Feed(_) | Self::Sse(_) | Self::Talk(_) => SizeHint::default(),
        }
    }
}

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> HttpResponse {
    let mut response = Response::new(FrontBody::Empty);
    *response.status_mut() = status;
    response
}

/// The answer to a request of a session.
pub(crate) fn answer(session: &Arc<Session>, answer: Bytes) -> HttpResponse {
    let large = Unfetched::of(session, &answer);
    as_json(StatusCode::OK, large.map_or(FrontBody::Whole(answer), FrontBody::Large))
}

/// A JSON response.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    as_json(status, FrontBody::Whole(body.into()))
}

fn as_json(status: StatusCode, body: FrontBody) -> HttpResponse {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(super::media::JSON));
    response
}

/// A stream of events, which nothing on the way may hold back or keep.
pub(crate) fn event_stream(body: FrontBody) -> HttpResponse {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(super::media::EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
