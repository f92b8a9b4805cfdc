//! An upstream server over HTTP, as a link.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcpvisor_config::{Backend, Timeouts, Transport, UpstreamKind};
use tokio::sync::OwnedSemaphorePermit;

use super::http::{Authorization, Dialect, HttpLink, HttpSpec, PostFailure, Tokens, Upstream};
use super::{Events, Inbound, Link, LinkEvent, RequestFailure, Sent, classify};
use crate::credentials::{Challenge, Credentials, Newest};
use crate::era::Era;
use crate::fault::{Fault, FaultReason};
use crate::mirrored::KnownTools;
use crate::root::Seat;

/// How long name resolution, TCP and TLS may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The standalone stream may fail so often in a row before the upstream counts as lost.
const STREAM_FAILURES: u32 = 3;
/// A wait for an upstream that says "too many requests" and not how long.
const BUSY: Duration = Duration::from_secs(1);

/// Where credentials come from that do not stand in the configuration.
pub(crate) struct Whose<'a> {
    /// Of the client, where it is the client's that go along.
    pub(crate) newest: Arc<dyn Newest>,
    pub(crate) tokens: &'a Tokens,
}

/// Whose credentials it is that the server may refuse.
#[derive(Clone, Copy, PartialEq)]
enum Credited {
    Configured,
    Client,
    Token,
}

struct UpstreamLink {
    /// `None` once closed.
    http: Option<HttpLink>,
    dialect: Dialect,
    seat: Option<Seat>,
    close_within: Duration,
    /// In whose name what follows is sent.
    whose: Option<Credentials>,
}

/// Nothing connects before the first message, so an upstream is open at once.
pub(crate) fn open(
    backend: &Backend,
    era: Era,
    known: Option<Arc<dyn KnownTools>>,
    whose: Whose<'_>,
    events: Events,
    seat: Seat,
) {
    let Transport::Http { url, headers, kind, forward_authorization, oauth } = &backend.transport else {
        return;
    };
    let (authorization, credited) = match oauth {
        Some(oauth) => (Authorization::Token(whose.tokens.of(&backend.name, oauth)), Credited::Token),
        None if *forward_authorization => (Authorization::Client(whose.newest), Credited::Client),
        None => (Authorization::Configured, Credited::Configured),
    };
    let dialect = match kind {
        UpstreamKind::Http => Dialect::Streamable,
        UpstreamKind::Sse => Dialect::Sse,
    };
    let spec = HttpSpec {
        url: url.clone(),
        headers: headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        authorization,
        max_message_bytes: backend.limits.max_message_bytes,
        connect_timeout: CONNECT_TIMEOUT,
        era,
        dialect,
        known,
    };
    let reports = events.clone();
    let opened = HttpLink::new(spec, move |report| translate(&reports, credited, report));
    let close_within = close_within(&backend.timeouts);
    events.report(match opened {
        Ok(http) => {
            let seat = Some(seat);
            let link = UpstreamLink { http: Some(http), dialect, seat, close_within, whose: None };
            LinkEvent::Open { link: Box::new(link), pid: None }
        }
        Err(error) => LinkEvent::OpenFailed(Fault::new(FaultReason::HttpConnect, error.to_string()).fatal()),
    });
}

fn close_within(timeouts: &Timeouts) -> Duration {
    timeouts.stdin_grace + timeouts.term_grace
}

fn translate(events: &Events, credited: Credited, report: Upstream) {
    match report {
        Upstream::Frame { wire, bytes, permit } => frame(events, wire, bytes, permit),
        Upstream::Sent { wire } => events.report(LinkEvent::Written(vec![wire])),
        Upstream::SessionLost { wire } => events.report(LinkEvent::SessionLost { request: wire }),
        Upstream::StreamEnded { failure } => {
            events.report(LinkEvent::Broken(stream_ended(credited, failure)))
        }
        Upstream::StreamFailed { times, cause } if times >= STREAM_FAILURES => {
            let text = format!("its event stream failed {times} times in a row: {cause}");
            events.report(LinkEvent::Broken(Fault::new(FaultReason::HttpConnect, text)));
        }
        Upstream::StreamFailed { times, cause } => tracing::debug!(times, cause, "the event stream failed"),
        Upstream::PostFailed { wire, failure } => post_failed(events, credited, wire, failure),
    }
}

fn frame(events: &Events, via: Option<u64>, bytes: Bytes, mut permit: Option<OwnedSemaphorePermit>) {
    let messages = match classify(bytes) {
        Inbound::One(message) => vec![message],
        Inbound::Many(messages) => messages,
        Inbound::Noise => return events.report(LinkEvent::Noise),
        Inbound::Broken(error) => {
            let fault =
                Fault::new(FaultReason::HttpStatus, format!("an answer that is not valid JSON-RPC: {error}"));
            if let Some(request) = via {
                events.report(LinkEvent::Failed { request, failure: RequestFailure::Counted(fault) });
            }
            return;
        }
    };
    for message in messages {
        events.report(LinkEvent::Message { message, via, permit: permit.take() });
    }
}

/// Of the older transport: nothing more can be heard of the server.
fn stream_ended(credited: Credited, failure: PostFailure) -> Fault {
    let text = format!("its event stream: {failure}");
    match failure {
        PostFailure::NoToken { error } if error.is_final() => {
            Fault::new(FaultReason::HttpConnect, text).fatal()
        }
        PostFailure::NoToken { .. } => Fault::new(FaultReason::HttpConnect, text),
        PostFailure::Status { code: 401 | 403, .. } if credited == Credited::Client => {
            Fault { detail: text, ..Fault::unauthorized(challenge(failure)) }
        }
        PostFailure::NotSent { .. } | PostFailure::Cut { .. } => Fault::new(FaultReason::HttpConnect, text),
        PostFailure::TooLong { .. } => Fault::new(FaultReason::Oversize, text),
        PostFailure::Status { code: 401 | 403, .. } => refused_credentials(credited, &text),
        PostFailure::Status { .. } | PostFailure::Malformed { .. } => {
            Fault::new(FaultReason::HttpStatus, text)
        }
    }
}

fn refused_credentials(credited: Credited, text: &str) -> Fault {
    let what = match credited {
        Credited::Token => "the token that `oauth` has got",
        Credited::Configured | Credited::Client => "the credentials in `headers`",
    };
    Fault::new(FaultReason::HttpStatus, format!("{text}: it refuses {what}")).fatal()
}

/// What the client is told.
fn challenge(failure: PostFailure) -> Challenge {
    match failure {
        PostFailure::Status { code, retry_after, challenge, .. } => {
            Challenge { status: code, www_authenticate: challenge, retry_after }
        }
        _ => Challenge { status: 401, www_authenticate: None, retry_after: None },
    }
}

fn post_failed(events: &Events, credited: Credited, wire: Option<u64>, failure: PostFailure) {
    let text = failure.to_string();
    let failed = |failure| {
        if let Some(request) = wire {
            events.report(LinkEvent::Failed { request, failure });
        }
    };
    let broken = |fault| {
        events.report(match wire {
            Some(request) => LinkEvent::BrokenFor { request, fault },
            None => LinkEvent::Broken(fault),
        });
    };
    match failure {
        PostFailure::NotSent { .. } => broken(Fault::new(FaultReason::HttpConnect, text)),
        PostFailure::NoToken { error } => {
            let fault = Fault::new(FaultReason::HttpConnect, text);
            broken(if error.is_final() { fault.fatal() } else { fault });
        }
        PostFailure::Status { code: 401 | 403, .. } if credited == Credited::Client => {
            failed(RequestFailure::Unauthorized(challenge(failure)));
        }
        // Of the standalone stream: it cannot be read past this, and without it the session would be deaf.
        PostFailure::TooLong { .. } if wire.is_none() => broken(Fault::new(FaultReason::Oversize, text)),
        PostFailure::Status { code: 401 | 403, .. } => broken(refused_credentials(credited, &text)),
        PostFailure::Status { code: 429, retry_after, .. } => {
            failed(RequestFailure::Busy { retry_after: retry_after.unwrap_or(BUSY) })
        }
        PostFailure::Status { code: 400..=499, .. } => {
            failed(RequestFailure::Refused(Fault::new(FaultReason::HttpStatus, text)))
        }
        PostFailure::Status { .. }
        | PostFailure::Cut { .. }
        | PostFailure::TooLong { .. }
        | PostFailure::Malformed { .. } => {
            failed(RequestFailure::Counted(Fault::new(FaultReason::HttpStatus, text)))
        }
    }
}

impl Link for UpstreamLink {
    /// Whether a request has been sent is reported when the connection has taken it.
    fn send(&mut self, message: Bytes, request: Option<u64>) -> Sent {
        if let Some(http) = &mut self.http {
            http.post_for(self.whose.clone(), message, request);
        }
        Sent::Queued
    }

    fn present(&mut self, credentials: Option<Credentials>) {
        self.whose = credentials;
    }

    fn established(&mut self, version: &str) {
        if let Some(http) = &mut self.http {
            http.established(version);
        }
    }

    fn send_initialized(&mut self, message: Bytes) -> Sent {
        if let Some(http) = &mut self.http {
            http.post_for(self.whose.clone(), message, None);
            http.open_stream();
        }
        Sent::Queued
    }

    fn abort(&mut self, request: u64) {
        if let Some(http) = &mut self.http {
            http.abort(request);
        }
    }

    fn configure(&mut self, timeouts: &Timeouts) {
        self.close_within = close_within(timeouts);
    }

    fn close(&mut self) {
        let (http, seat, within) = (self.http.take(), self.seat.take(), self.close_within);
        tokio::spawn(async move {
            if let Some(http) = http {
                http.close(within).await;
            }
            drop(seat);
        });
    }

    fn kill(&mut self) {
        self.http = None;
        self.seat = None;
    }

    fn transport(&self) -> &'static str {
        "tcp"
    }

    fn tells_requests_apart(&self) -> bool {
        self.dialect == Dialect::Streamable
    }
}
