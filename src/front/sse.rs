//! The older HTTP+SSE (2024-11-05, "Transports"), for clients that know nothing newer.
//!
//! ```text
//! GET /sse/{backend}                      one stream: first where to send messages, then all that is said
//! POST /message/{backend}?session_id=ID   one message, acknowledged with 202; its answer comes on the stream
//! ```
//! The stream is the session: when its client lets go of it, the session ends.

mod body;
mod channel;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use mcpvisor_actors::Overload;
use mcpvisor_actors::message::{Envelope, Kind, client_id};
use tokio::time::timeout;

use super::admission::{Full, SESSIONS_RETRY};
use super::body::{self as response, FrontBody, HttpResponse};
use super::era::{self, Era};
use super::events::Source;
use super::inbound::Inbound;
use super::initialize::{self, random_id};
use super::lease::Lease;
use super::measure::{FOREIGN_SESSION, count_auth_failure};
use super::post::{read_any, unparsable};
use super::rejection::{INTERNAL_ERROR, INVALID_REQUEST, Rejection};
use super::session::Session;
use super::{exchange, feed, media};
pub(crate) use body::SseBody;
use channel::Channel;
pub(crate) use channel::Channels;

/// How long a client may hold a stream open and not say who it is.
const GREETING: Duration = Duration::from_secs(60);

/// Opens a stream.
pub(crate) async fn get(inbound: Inbound<'_>) -> Result<HttpResponse, Rejection> {
    if !media::accepts(inbound.headers, media::EVENT_STREAM) {
        let text = "Accept must cover text/event-stream";
        return Err(Rejection::new(StatusCode::NOT_ACCEPTABLE, INVALID_REQUEST, text));
    }
    inbound.check_draining(None)?;
    let text = "the stream could not be made; please report this";
    let internal = || Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR, text);
    let id = random_id().ok_or_else(internal)?;
    let held = inbound.admit_stream(None)?;
    let max = inbound.front.launcher.config().limits.max_sessions;
    let channels = inbound.front.channels.clone();
    let opened = channels.open(id.into(), inbound.caller.principal.clone(), inbound.face.clone(), max);
    let Some((channel, receiver)) = opened else {
        return Err(inbound.full(None, Full::of(Overload::Sessions, max, SESSIONS_RETRY)));
    };
    let ending = inbound.front.ending.clone();
    let (waiting, lease) = (channel.clone(), Lease::of_session(&inbound));
    tokio::spawn(async move {
        tokio::select! {
            // What was begun is drained with the sessions.
            () = ending.cancelled() => {}
            () = waiting.over() => {}
            () = lease.over() => return waiting.close(),
            () = tokio::time::sleep(GREETING) => {}
        }
        if waiting.session().is_none() {
            return waiting.close();
        }
        tokio::select! {
            () = waiting.over() => {}
            () = lease.over() => waiting.close(),
        }
    });
    let body = SseBody::new(channel, receiver, channels, inbound.front.me.clone(), held);
    Ok(response::event_stream(FrontBody::Sse(Box::new(body))))
}

/// Takes a message.
pub(crate) async fn post<B>(
    inbound: Inbound<'_>,
    query: Option<&str>,
    body: B,
) -> Result<HttpResponse, Rejection>
where
    B: Body<Data = Bytes> + Unpin,
{
    let name = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("session_id="));
    let name =
        name.ok_or_else(|| Rejection::invalid(None, "session_id is missing: open GET /sse/{backend}"))?;
    let channel = inbound.front.channels.get(name).ok_or_else(Rejection::no_such_session)?;
    // Whatever is wrong with it, the client is told the same.
    if *channel.principal != *inbound.caller.principal {
        count_auth_failure(FOREIGN_SESSION);
        return Err(Rejection::no_such_session());
    }
    if channel.face.name != inbound.face.name {
        return Err(Rejection::no_such_session());
    }
    if let Some(session) = channel.session() {
        inbound.check_session(session, None)?;
    }
    let message = Envelope::parse(read_any(&inbound, body).await?).map_err(|error| unparsable(&error))?;
    if era::choose(inbound.headers, &message) == Era::Modern {
        let text = "2026-07-28 is not spoken over HTTP+SSE: use POST /mcp/{backend}";
        return Err(Rejection::invalid(message.id(), text));
    }
    let message = inbound.in_its_name(message);
    match message.kind() {
        Kind::Request => request(&inbound, &channel, message)?,
        Kind::Notification | Kind::Result | Kind::Error => {
            let session = channel.session().ok_or_else(|| not_greeted(None))?;
            if message.is_answer() {
                session.respond(message);
            } else {
                session.notify(message);
            }
        }
    }
    Ok(response::empty(StatusCode::ACCEPTED))
}

fn request(inbound: &Inbound<'_>, channel: &Arc<Channel>, message: Envelope) -> Result<(), Rejection> {
    let id = client_id(&message).map_err(|error| Rejection::invalid(None, &error.to_string()))?;
    inbound.check_draining(Some(id))?;
    let held = inbound.admit(Some(id))?;
    if message.method() == Some("initialize") {
        if !channel.greet() {
            return Err(Rejection::invalid(
                Some(id),
                "this stream has its session: open another for another",
            ));
        }
        // Answered at once: a launch may take longer than such clients wait for a 202.
        let (front, headers) = (inbound.front.me.clone(), inbound.headers.clone());
        let (channel, face, caller) = (channel.clone(), inbound.face.clone(), inbound.caller.clone());
        tokio::spawn(async move {
            let Some(front) = front.upgrade() else { return };
            let inbound = Inbound { front: &front, face, set: None, caller, headers: &headers };
            // Dropped with the stream: a session that is being made then leaves nothing behind.
            tokio::select! {
                () = greeted(&inbound, &channel, &message) => {}
                () = channel.over() => {}
            }
            drop(held);
        });
        return Ok(());
    }
    let session = channel.session().ok_or_else(|| not_greeted(Some(id)))?;
    tokio::spawn(answer(channel.clone(), session.clone(), exchange::send(session, message).holding(held)));
    Ok(())
}

fn not_greeted(id: Option<&[u8]>) -> Rejection {
    Rejection::invalid(id, "this stream has no session yet: send initialize first")
}

async fn greeted(inbound: &Inbound<'_>, channel: &Arc<Channel>, message: &Envelope) {
    let opened = match initialize::open(inbound, message).await {
        Ok(opened) => opened,
        Err(rejection) => {
            channel.not_greeted();
            return channel.say(rejection.into_message()).await;
        }
    };
    let Some(session) = opened.session else {
        channel.not_greeted();
        return channel.say(opened.answer).await;
    };
    channel.begin(session.clone());
    if channel.is_over() {
        return super::sse::body::end(inbound.front, &session);
    }
    channel.say(opened.answer).await;
    tokio::spawn(listen(channel.clone(), session));
}

/// Passes on what precedes an answer, and the answer. What waits for the client to read counts: one that asks on and on and
/// reads nothing gets no more.
async fn answer(channel: Arc<Channel>, session: Arc<Session>, mut source: Source) {
    while let Some(message) = poll_fn(|cx| source.poll_message(cx)).await {
        let length = message.len();
        session.unfetched().fetch_add(length, Relaxed);
        channel.say(message).await;
        session.unfetched().fetch_sub(length, Relaxed);
    }
}

/// Passes on what belongs to no request, until the session ends.
async fn listen(channel: Arc<Channel>, session: Arc<Session>) {
    let mut from = None;
    while let Ok(Ok(mut feed)) = feed::ask(&session, from.take()).await {
        while let Some(message) = poll_fn(|cx| feed.poll_message(cx)).await {
            channel.say(message).await;
        }
        if channel.is_over() || session.ended().is_some() {
            break;
        }
        // Its reader was too slow for a while, or its actor is being rebuilt.
        drop(feed);
        let _ = timeout(Duration::from_millis(50), channel.over()).await;
    }
    channel.close();
}
