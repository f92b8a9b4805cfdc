//! What takes the messages of a backend that answer no request.

use bytes::Bytes;

use crate::error::EndCause;

/// What a backend says to a session outside the answers to its requests.
///
/// Called from an actor: it must not block, and what it keeps must be bounded.
pub trait SessionSink: Send + Sync + 'static {
    /// Takes one event.
    fn deliver(&self, event: SessionEvent);

    /// Whether requests of the backend reach anybody here; else it gets an error for those that belong to no request of this
    /// session.
    fn can_be_asked(&self) -> bool {
        true
    }
}

/// See [`SessionSink`].
#[derive(Debug, Clone)]
pub enum SessionEvent {
    /// A notification that belongs to no request of this session.
    Message(Bytes),
    /// A request of the backend that belongs to no request of this session; `id` is its id as raw JSON.
    /// It is to be answered through [`Route::respond`](super::Route::respond).
    ServerRequest {
        /// Unique for the session, whatever incarnation asked.
        id: Bytes,
        /// The message.
        message: Bytes,
    },
    /// The backend, or its end, took back the request `id`.
    ServerRequestGone {
        /// As in `ServerRequest`.
        id: Bytes,
    },
    /// The session is over: its next request answers 404.
    Ended(EndCause),
}
