//! GET and DELETE: the stream that belongs to no request, and the end of a session.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use mcpvisor_actors::EndCause;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::{self, FrontBody, HttpResponse};
use super::events::{EventId, FeedBody};
use super::inbound::Inbound;
use super::lease::Lease;
use super::media;
use super::rejection::{INTERNAL_ERROR, INVALID_REQUEST, Rejection};
use super::session::{NotKept, OpenFeed, Session, SessionMsg};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A connection that is dead without knowing lets go of its stream at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the standalone stream, or resumes the stream that `Last-Event-ID` names.
pub(crate) async fn get(inbound: Inbound<'_>) -> Result<HttpResponse, Rejection> {
    if !media::accepts(inbound.headers, media::EVENT_STREAM) {
        let text = "Accept must cover text/event-stream";
        return Err(Rejection::new(StatusCode::NOT_ACCEPTABLE, INVALID_REQUEST, text));
    }
    let session = inbound.session(None)?;
    let from = match inbound.headers.get(LAST_EVENT_ID) {
        None => None,
        Some(id) => Some(EventId::parse(id.as_bytes()).ok_or_else(not_ours)?),
    };
    if from.is_none() {
        inbound.check_draining(None)?;
    }
    let held = session.hold_stream(|| inbound.admit_stream(None))?;
    match open(&inbound, &session, from).await? {
        Ok(feed) => {
            let feed = feed.under(Lease::begin(&inbound)).holding(held);
            Ok(body::event_stream(FrontBody::Feed(Box::new(feed))))
        }
        Err(NotKept) => Err(not_ours()),
    }
}

/// Ends the session.
pub(crate) fn delete(inbound: &Inbound<'_>) -> Result<HttpResponse, Rejection> {
    let session = inbound.session(None)?;
    let removed = inbound.front.sessions.table().remove(session.id(), EndCause::Delete);
    let session = removed.ok_or_else(Rejection::no_such_session)?;
    session.let_go(EndCause::Delete);
    session.send(SessionMsg::End);
    Ok(body::empty(StatusCode::NO_CONTENT))
}

async fn open(
    inbound: &Inbound<'_>,
    session: &Arc<Session>,
    from: Option<EventId>,
) -> Result<Result<FeedBody, NotKept>, Rejection> {
    if let Ok(opened) = ask(session, from).await {
        return Ok(opened);
    }
    // Its actor has failed and is not back yet, or ended a moment ago with the session.
    if inbound.front.sessions.table().get(session.id()).is_none() {
        return Err(Rejection::no_such_session());
    }
    let text = "the stream cannot be opened now; try again";
    let busy = || Rejection::new(StatusCode::SERVICE_UNAVAILABLE, INTERNAL_ERROR, text);
    Err(busy().retry_after(Duration::from_secs(1)))
}

/// Opens a stream at the session's actor; an error if that is not there now.
pub(crate) async fn ask(session: &Session, from: Option<EventId>) -> Result<Result<FeedBody, NotKept>, ()> {
    let (reply, opened) = oneshot::channel();
    session.send(SessionMsg::Open(OpenFeed { from, reply }));
    match timeout(PATIENCE, opened).await {
        Ok(opened) => opened.map_err(|_| ()),
        Err(_) => Err(()),
    }
}

fn not_ours() -> Rejection {
    let text = "Last-Event-ID names no event that is kept for this session: open a stream without it";
    Rejection::invalid(None, text)
}
