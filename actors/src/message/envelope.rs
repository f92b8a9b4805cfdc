//! One message, of which only the envelope has been read.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::credentials::Credentials;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Has a method and an id.
    Request,
    /// Has a method and no id.
    Notification,
    /// Has an id and a result.
    Result,
    /// Has an id (possibly null) and an error.
    Error,
}

/// Why bytes are no JSON-RPC message.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Not JSON at all.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// JSON, but no JSON-RPC 2.0 message.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Shape(&'static str),
}

/// One JSON-RPC message: the bytes as they came, and where its envelope stands in them.
#[derive(Debug, Clone)]
pub struct Envelope {
    bytes: Bytes,
    kind: Kind,
    id: Option<Range<usize>>,
    params: Option<Range<usize>>,
    body: Option<Range<usize>>,
    method: Option<Method>,
    /// `None`: it is not a client's, or no server is to see them.
    credentials: Option<Credentials>,
}

#[derive(Debug, Clone)]
enum Method {
    /// Stands in the bytes as it is.
    At(Range<usize>),
    /// Was written with escapes.
    Decoded(Box<str>),
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "text")]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// A string that is borrowed unless it has escapes. (serde borrows a `Cow` only as a field of its own.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Keeps `null` apart from "not there": an id of null is a fault of the sender, no id a notification.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The same of a string: a method of null is none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text<'de>>, D::Error> {
    Text::deserialize(deserializer).map(Some)
}

impl Envelope {
    /// Reads the envelope of one message.
    pub fn parse(bytes: Bytes) -> Result<Self, EnvelopeError> {
        // A struct may also be read from an array: a batch is no message.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'[') {
            return Err(EnvelopeError::Shape("expected one message, not a batch"));
        }
        // The parser only looks at what it keeps, and what it skips would be passed on to somebody who minds.
        let text = std::str::from_utf8(&bytes).map_err(|error| EnvelopeError::Syntax(error.to_string()))?;
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                EnvelopeError::Shape("expected an object with the fields of JSON-RPC")
            }
            _ => EnvelopeError::Syntax(error.to_string()),
        })?;
        if fields.jsonrpc.as_ref().map(|text| &*text.0) != Some("2.0") {
            return Err(EnvelopeError::Shape("\"jsonrpc\" must be \"2.0\""));
        }
        let kind = match (&fields.method, fields.id, fields.result, fields.error) {
            (Some(_), Some(_), None, None) => Kind::Request,
            (Some(_), None, None, None) => Kind::Notification,
            (None, Some(_), Some(_), None) => Kind::Result,
            (None, _, None, Some(_)) => Kind::Error,
            (None, None, Some(_), None) => return Err(EnvelopeError::Shape("a result needs an \"id\"")),
            (Some(_), ..) => {
                return Err(EnvelopeError::Shape("a message has a \"method\" or a result, not both"));
            }
            (None, _, Some(_), Some(_)) => {
                return Err(EnvelopeError::Shape("an answer has a \"result\" or an \"error\", not both"));
            }
            (None, ..) => {
                return Err(EnvelopeError::Shape("neither \"method\" nor \"result\" nor \"error\""));
            }
        };
        let at = |raw: &RawValue| range_in(&bytes, raw.get());
        let (id, params) = (fields.id.map(at), fields.params.map(at));
        let body = fields.result.or(fields.error).map(at);
        let method = fields.method.map(|method| match method.0 {
            Cow::Borrowed(text) => Method::At(range_in(&bytes, text)),
            Cow::Owned(text) => Method::Decoded(text.into()),
        });
        Ok(Self { kind, id, params, body, method, bytes, credentials: None })
    }

    /// The same, shown to the server with these.
    #[must_use]
    pub fn with_credentials(self, credentials: Option<Credentials>) -> Self {
        Self { credentials, ..self }
    }

    /// What the server is shown with it; `None`: it is in nobody's name, or no server is to see any.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// What the message is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it answers a request.
    pub fn is_answer(&self) -> bool {
        matches!(self.kind, Kind::Result | Kind::Error)
    }

    /// The message as it came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The id as raw JSON, `null` included.
    pub fn id(&self) -> Option<&[u8]> {
        self.id.clone().and_then(|at| self.bytes.get(at))
    }

    /// The id as a shared slice of the message.
    pub fn id_bytes(&self) -> Option<Bytes> {
        self.id.clone().map(|at| self.bytes.slice(at))
    }

    /// The id as one of the numbers that we give to requests of our own making.
    pub fn wire_id(&self) -> Option<u64> {
        std::str::from_utf8(self.id()?).ok()?.parse().ok()
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        match self.method.as_ref()? {
            Method::At(at) => self.bytes.get(at.clone()).and_then(|text| std::str::from_utf8(text).ok()),
            Method::Decoded(text) => Some(text),
        }
    }

    /// The params as raw JSON.
    pub fn params(&self) -> Option<&[u8]> {
        self.params.clone().and_then(|at| self.bytes.get(at))
    }

    /// The result or the error as raw JSON.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.clone().and_then(|at| self.bytes.get(at))
    }

    /// The `code` of an error; `None`: it is none, or has no number for a code.
    pub fn error_code(&self) -> Option<i64> {
        #[derive(Deserialize)]
        struct Coded {
            code: i64,
        }
        let error = self.body().filter(|_| self.kind == Kind::Error)?;
        Some(serde_json::from_slice::<Coded>(error).ok()?.code)
    }

    /// The same message with another id (raw JSON); every other byte stays.
    pub fn with_id(&self, id: &[u8]) -> Bytes {
        match &self.id {
            Some(at) => self.spliced(at.clone(), id),
            None => self.bytes.clone(),
        }
    }

    /// The same message with the value that stands inside its params at `part` replaced.
    /// `part` must be a slice of what [`Envelope::params`] returned.
    pub fn with_part(&self, part: &[u8], value: &[u8]) -> Bytes {
        self.position_of(part).map_or_else(|| self.bytes.clone(), |at| self.spliced(at, value))
    }

    /// Both at once: another id, and another value at `part`.
    pub fn with_id_and(&self, id: &[u8], part: &[u8], value: &[u8]) -> Bytes {
        let (Some(id_at), Some(part_at)) = (self.id.clone(), self.position_of(part)) else {
            return self.with_id(id);
        };
        let mut both = [(id_at, id), (part_at, value)];
        both.sort_by_key(|(at, _)| at.start);
        let [(first, one), (second, other)] = both;
        [
            &self.bytes[..first.start],
            one,
            &self.bytes[first.end..second.start],
            other,
            &self.bytes[second.end..],
        ]
        .concat()
        .into()
    }

    /// Where a slice of this message stands in it.
    fn position_of(&self, part: &[u8]) -> Option<Range<usize>> {
        let start = (part.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        let end = start.checked_add(part.len())?;
        (end <= self.bytes.len()).then_some(start..end)
    }

    fn spliced(&self, at: Range<usize>, value: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(self.bytes.len() - at.len() + value.len() + 1);
        out.extend_from_slice(&self.bytes[..at.start]);
        out.extend_from_slice(value);
        out.extend_from_slice(&self.bytes[at.end..]);
        out.freeze()
    }
}

/// Where `part` stands in `whole`. `part` was borrowed from `whole` by the parser.
fn range_in(whole: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

#[cfg(test)]
mod tests;
