//! A request that goes no further: a status, and an error that says what would be right.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use mcpvisor_actors::{Challenge, Refusal, message};

use super::body::{self, HttpResponse};

/// JSON-RPC: the bytes are no JSON.
pub(crate) const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: no request that the protocol knows.
pub(crate) const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC: something failed here.
pub(crate) const INTERNAL_ERROR: i32 = -32603;
/// What the SDKs' own servers answer beside a 404; some clients look for it before they start anew.
const SESSION_NOT_FOUND: i32 = -32001;

/// Why a request got no further, with everything its client is told.
#[derive(Debug)]
pub(crate) struct Rejection {
    status: StatusCode,
    body: Bytes,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Rejection {
    /// A JSON-RPC error that answers no request in particular.
    pub(crate) fn new(status: StatusCode, code: i32, text: &str) -> Self {
        Self::answering(None, status, code, text)
    }

    /// A JSON-RPC error that answers the request with that id (raw JSON).
    pub(crate) fn answering(id: Option<&[u8]>, status: StatusCode, code: i32, text: &str) -> Self {
        Self { status, body: message::error(id, code, text, None), header: None }
    }

    /// An error of the specification's, with what it says of `data`.
    pub(crate) fn protocol(
        id: Option<&[u8]>,
        status: StatusCode,
        code: i32,
        text: &str,
        data: Option<&serde_json::Value>,
    ) -> Self {
        Self { status, body: message::error(id, code, text, data), header: None }
    }

    /// 400 with `-32600`.
    pub(crate) fn invalid(id: Option<&[u8]>, text: &str) -> Self {
        Self::answering(id, StatusCode::BAD_REQUEST, INVALID_REQUEST, text)
    }

    /// An error of our own, outside any session.
    pub(crate) fn refused(id: Option<&[u8]>, status: StatusCode, refusal: &Refusal) -> Self {
        let refused = Self { status, body: refusal.to_message(id), header: None };
        match refusal.challenge() {
            Some(challenge) => refused.challenged(challenge),
            None => refused,
        }
    }

    /// The words of a backend that will not have the client's credentials.
    pub(crate) fn challenge(challenge: &Challenge, body: Bytes) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, body, header: None }.challenged(challenge)
    }

    fn challenged(self, challenge: &Challenge) -> Self {
        let status = StatusCode::from_u16(challenge.status).unwrap_or(StatusCode::UNAUTHORIZED);
        let told = challenge.www_authenticate.as_deref().and_then(|told| HeaderValue::from_str(told).ok());
        let header = told.map(|told| (header::WWW_AUTHENTICATE, told));
        Self { status, header, ..self }
    }

    /// Unknown, ended or another principal's: the answer must not tell which.
    pub(crate) fn no_such_session() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            SESSION_NOT_FOUND,
            "Session not found: begin a new one with initialize",
        )
    }

    /// With `Retry-After`.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.with(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// What it says, as a message.
    pub(crate) fn into_message(self) -> Bytes {
        self.body
    }

    /// The same.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The response.
    pub(crate) fn into_response(self) -> HttpResponse {
        let mut response = body::json(self.status, self.body);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
