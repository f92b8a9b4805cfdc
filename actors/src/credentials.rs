//! What a client shows to the servers that are to see it (`forward_authorization`), and what such a server says to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;

/// What one request of a client has in `Authorization`, be it nothing. Its value is shown to nobody but the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(Arc<Option<HeaderValue>>);

impl Credentials {
    /// Of the header, as it came.
    pub fn new(authorization: Option<HeaderValue>) -> Self {
        let marked = |mut value: HeaderValue| {
            value.set_sensitive(true);
            value
        };
        Self(Arc::new(authorization.map(marked)))
    }

    /// The header; `None`: the request has none.
    pub fn header(&self) -> Option<&HeaderValue> {
        Option::as_ref(&self.0)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Credentials(shown)" } else { "Credentials(none)" })
    }
}

/// Knows what a session, or all who share a connection, have shown last. It goes along with what is in no request's name:
/// the replay of a handshake, pings, the standalone stream, the DELETE.
pub trait Newest: Send + Sync {
    /// `None`: nobody has shown anything yet.
    fn newest(&self) -> Option<Credentials>;
}

impl Newest for Option<Credentials> {
    fn newest(&self) -> Option<Credentials> {
        self.clone()
    }
}

/// A server will not have what a client has shown: the client is told so in the server's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// 401 or 403.
    pub status: u16,
    /// `WWW-Authenticate`, as it came.
    pub www_authenticate: Option<String>,
    /// `Retry-After`
    pub retry_after: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_them() {
        let shown = Credentials::new(Some(HeaderValue::from_static("Bearer s3cret")));
        assert!(!format!("{shown:?} {:?}", shown.header()).contains("s3cret"));
        assert_ne!(shown, Credentials::new(None));
    }
}
