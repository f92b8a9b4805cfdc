//! What a link reports to its owner.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::OwnedSemaphorePermit;

use super::token::TokenError;

/// Where tasks report to.
pub(super) type Events = Arc<dyn Fn(Upstream) + Send + Sync>;

/// One thing that happened at the upstream.
#[derive(Debug)]
pub enum Upstream {
    /// A message from the server.
    Frame {
        /// The request whose POST carried it; `None` for the standalone stream.
        wire: Option<u64>,
        /// The message as it came: it may span lines, and an old server may send an array of messages.
        bytes: Bytes,
        /// Kept until the message has been dealt with: a stream that is far ahead of its reader pauses.
        permit: Option<OwnedSemaphorePermit>,
    },
    /// This request has been handed to the connection: from here on the server may have executed it.
    Sent {
        /// The request.
        wire: u64,
    },
    /// A POST has ended without an answer.
    PostFailed {
        /// The request; `None` for what expected no answer, and for the standalone stream.
        wire: Option<u64>,
        /// Why.
        failure: PostFailure,
    },
    /// The server no longer knows our session (404).
    SessionLost {
        /// The request that was refused for it: never executed, so it may be sent again.
        wire: Option<u64>,
    },
    /// The one stream of the older transport could not be opened, or has ended; with it the link is of no use.
    StreamEnded {
        /// Why.
        failure: PostFailure,
    },
    /// The standalone stream could not be opened, again; it is tried on, ever more slowly.
    StreamFailed {
        /// Failures in a row.
        times: u32,
        /// For people, without secrets.
        cause: String,
    },
}

/// Why a POST ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PostFailure {
    /// Name resolution, TCP or TLS failed: the request certainly never reached the server.
    #[error("upstream not reached: {cause}")]
    NotSent {
        /// For people, without secrets.
        cause: String,
    },
    /// There is no token to send it with: it was not sent.
    #[error("upstream not asked: {error}")]
    NoToken {
        /// Why.
        error: TokenError,
    },
    /// The server answered with an HTTP status that carries no answer.
    #[error("upstream answered with HTTP status {code}")]
    Status {
        /// The status, redirects that were refused included.
        code: u16,
        /// `Retry-After`, where it was given in seconds.
        retry_after: Option<Duration>,
        /// `WWW-Authenticate`.
        challenge: Option<String>,
        /// The first 4 KiB of the body.
        body: Bytes,
    },
    /// The connection or stream ended before the answer, and could not be resumed.
    #[error("upstream cut the answer short: {cause}")]
    Cut {
        /// For people, without secrets.
        cause: String,
    },
    /// A message was longer than `max_message_bytes`.
    #[error("upstream sent a message of more than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A success without the answer in it.
    #[error("upstream sent no valid answer: {cause}")]
    Malformed {
        /// For people, without secrets.
        cause: String,
    },
}
