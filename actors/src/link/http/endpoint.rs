//! The upstream as one address: what every request to it carries.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Client, Method, Response, StatusCode, Url};
use thiserror::Error;
use tokio::sync::SetOnce;

use super::authorization::Authorization;
use super::client::{client, usable_url};
use super::token::TokenError;
use super::{Dialect, HttpSpec, mirror, reading};
use crate::credentials::Credentials;
use crate::era::Era;
use crate::mirrored::{self, KnownTools, MirroredTools};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Redirects of one request within its origin.
const MAX_REDIRECTS: usize = 3;

/// Why a link cannot be made.
#[derive(Debug, Error)]
pub enum HttpSpecError {
    /// The URL is none, or not of HTTP.
    #[error("not a usable url: {problem}")]
    Url {
        /// What is wrong.
        problem: String,
    },
    /// A header's name or value has bytes that HTTP does not allow. The value is not shown.
    #[error("header {name:?} has a name or value that http does not allow")]
    Header {
        /// Its name.
        name: String,
    },
    /// A header that belongs to the connection, not to the configuration.
    #[error("header {name:?} is set by mcpvisor itself")]
    ReservedHeader {
        /// Its name.
        name: String,
    },
    /// No trusted certificates, or another problem of TLS.
    #[error("tls cannot be used")]
    Tls(#[source] rustls::Error),
    /// The HTTP client could not be made.
    #[error("no http client")]
    Client(#[source] reqwest::Error),
}

/// Why there is no response.
pub(super) enum Unanswered {
    /// The exchange failed.
    Http(reqwest::Error),
    /// It was not begun, for want of a token.
    NoToken(TokenError),
}

impl Unanswered {
    pub(super) fn cause(self) -> String {
        match self {
            Self::Http(error) => reading::cause(error),
            Self::NoToken(error) => error.to_string(),
        }
    }
}

/// Shared by the tasks of one link.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    headers: HeaderMap,
    authorization: Authorization,
    limit: usize,
    era: Era,
    /// Of the older transport: where messages go, once its stream has said so.
    messages: Option<SetOnce<Url>>,
    known: Option<Arc<dyn KnownTools>>,
    /// Both are written once, in the handshake, and read with every request.
    session: ArcSwapOption<HeaderValue>,
    version: ArcSwapOption<HeaderValue>,
}

impl Endpoint {
    pub(super) fn new(spec: HttpSpec) -> Result<Self, HttpSpecError> {
        let url = usable_url(&spec.url)?;
        Ok(Self {
            client: client(&url, spec.connect_timeout)?,
            url,
            headers: configured(&spec.headers)?,
            authorization: spec.authorization,
            limit: spec.max_message_bytes,
            era: spec.era,
            messages: (spec.dialect == Dialect::Sse).then(SetOnce::new),
            known: spec.known,
            session: ArcSwapOption::empty(),
            version: ArcSwapOption::empty(),
        })
    }

    /// The longest message accepted, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A POST of what `body` makes (anew for each redirect).
    /// `mirror`: what of the message its headers repeat. `whose`: what its client has shown with it, if it is a client's.
    pub(super) async fn post(
        &self,
        whose: Option<&Credentials>,
        body: impl Fn() -> Body,
        mirror: HeaderMap,
    ) -> Result<Response, Unanswered> {
        let mut headers = self.headers("application/json, text/event-stream");
        headers.extend(mirror);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = match &self.messages {
            Some(place) => place.wait().await,
            None => &self.url,
        };
        self.exchange(Method::POST, url, headers, whose, body).await
    }

    /// A GET of an event stream, from `last_id` on.
    pub(super) async fn get(
        &self,
        whose: Option<&Credentials>,
        last_id: Option<&Bytes>,
    ) -> Result<Response, Unanswered> {
        let mut headers = self.headers("text/event-stream");
        if let Some(id) = last_id.and_then(|id| HeaderValue::from_bytes(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        self.exchange(Method::GET, &self.url, headers, whose, Body::default).await
    }

    /// Ends the session at the server, if it gave one. Its answer does not matter.
    pub(super) async fn delete(&self) {
        if self.session.load().is_some() {
            let headers = self.headers("*/*");
            let _ = self.exchange(Method::DELETE, &self.url, headers, None, Body::default).await;
        }
    }

    /// Takes the session id from the head of the first answer that has one: that to `initialize`.
    pub(super) fn learn_session(&self, response: &Response) {
        if self.session.load().is_some() || self.is_modern() || self.is_sse() {
            return;
        }
        if let Some(id) = response.headers().get(SESSION_ID) {
            let mut id = id.clone();
            id.set_sensitive(true);
            self.session.store(Some(Arc::new(id)));
        }
    }

    /// The headers that repeat what a message says.
    pub(super) fn mirror(&self, frame: &Bytes) -> HeaderMap {
        if self.is_modern() { mirror::headers(frame, self.known.as_deref()) } else { HeaderMap::new() }
    }

    /// An answer to `tools/list` without the tools that no client may call over HTTP.
    pub(super) fn sift(&self, message: Bytes) -> Bytes {
        let Some(sifted) = mirrored::sifted(&message) else { return message };
        if let Some(known) = &self.known {
            known.dropped(&sifted.dropped);
        }
        sifted.message
    }

    /// The tool list has been read anew.
    pub(super) fn renew(&self, tools: MirroredTools) {
        if let Some(known) = &self.known {
            known.renew(tools);
        }
    }

    /// Whether it is clients' credentials that go along.
    pub(super) fn is_shown_the_clients(&self) -> bool {
        matches!(self.authorization, Authorization::Client(_))
    }

    /// Whether the server is spoken to without a session, and its streams cannot be resumed.
    pub(super) fn is_modern(&self) -> bool {
        self.era == Era::Modern
    }

    /// Whether answers come on the one stream of the older transport.
    pub(super) fn is_sse(&self) -> bool {
        self.messages.is_some()
    }

    /// Takes note of where messages go: relative to the stream's own address, and with the same origin, since our headers may
    /// be credentials. False: nowhere. The first place stays.
    pub(super) fn learn_messages(&self, place: &[u8]) -> bool {
        let text = std::str::from_utf8(place).unwrap_or_default().trim();
        let url = self.url.join(text).ok().filter(|url| url.origin() == self.url.origin());
        let (Some(known), Some(url)) = (&self.messages, url) else { return false };
        let _ = known.set(url);
        true
    }

    pub(super) fn set_version(&self, version: &str) {
        if self.is_sse() {
            return;
        }
        self.version.store(HeaderValue::from_str(version).ok().map(Arc::new));
    }

    /// Whether this status means that the server has forgotten our session.
    pub(super) fn session_lost(&self, status: StatusCode) -> bool {
        status == StatusCode::NOT_FOUND && self.session.load().is_some()
    }

    fn headers(&self, accept: &'static str) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        if let Some(id) = &*self.session.load() {
            headers.insert(SESSION_ID, HeaderValue::clone(id));
        }
        if let Some(version) = &*self.version.load() {
            headers.insert(PROTOCOL_VERSION, HeaderValue::clone(version));
        }
        headers
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        whose: Option<&Credentials>,
        body: impl Fn() -> Body,
    ) -> Result<Response, Unanswered> {
        let mut url = url.clone();
        let (mut redirects, mut renewed) = (0, false);
        let mut shown = self.authorization.of(whose).await.map_err(Unanswered::NoToken)?;
        loop {
            if let Some(header) = shown.header() {
                headers.insert(header::AUTHORIZATION, header.clone());
            }
            let request = self.client.request(method.clone(), url.clone()).headers(headers.clone());
            let response = request.body(body()).send().await.map_err(Unanswered::Http)?;
            // It was not carried out. A token may have been taken back before its time.
            if response.status() == StatusCode::UNAUTHORIZED
                && !std::mem::replace(&mut renewed, true)
                && let Some(other) = self.authorization.in_place_of(&shown).await
            {
                shown = other.map_err(Unanswered::NoToken)?;
                continue;
            }
            match redirected(&url, &response) {
                Some(next) if redirects < MAX_REDIRECTS => url = next,
                _ => return Ok(response),
            }
            redirects += 1;
        }
    }
}

/// The place a redirect leads to, if it keeps the method and stays with the same scheme, host and port:
/// our headers may be credentials.
fn redirected(from: &Url, response: &Response) -> Option<Url> {
    if !matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    from.join(location).ok().filter(|to| to.origin() == from.origin())
}

fn configured(pairs: &[(String, String)]) -> Result<HeaderMap, HttpSpecError> {
    let mut headers = HeaderMap::new();
    let user_agent = concat!("mcpvisor/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(user_agent));
    for (name, value) in pairs {
        let unusable = || HttpSpecError::Header { name: name.clone() };
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, SESSION_ID, PROTOCOL_VERSION].contains(&known)
        {
            return Err(HttpSpecError::ReservedHeader { name: name.clone() });
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.insert(known, value);
    }
    Ok(headers)
}
