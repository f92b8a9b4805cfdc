//! The standalone GET stream: messages of the server that belong to no request.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::event::{Events, PostFailure, Upstream};
use super::post::pass;
use super::reading::{self, Cursor, EventStream};

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The shortest, where a busy server asks for less.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// A stream that lived this long was a good one: the next may follow as quickly as the first.
const GOOD_LIFE: Duration = Duration::from_secs(10);

/// What an attempt to open the stream has come to.
enum Opened {
    Stream(Box<EventStream>),
    /// The server has none, which is its right.
    None,
    SessionLost,
    /// Asked to come back later.
    Later(Duration),
    Failed(String),
}

/// Opens the stream and keeps it open until the server says that there is none.
///
/// That its end is followed by a new attempt is ordinary (servers and proxies limit the life of a
/// stream); only attempts that fail are reported.
pub(super) async fn run(endpoint: Arc<Endpoint>, events: Events, gate: Option<CancellationToken>) {
    pass(gate).await;
    let mut cursor = Cursor::default();
    let (mut failures, mut short_lives) = (0_u32, 0_u32);
    let mut opened_before = false;
    loop {
        match open(&endpoint, &cursor, opened_before).await {
            Opened::Stream(mut stream) => {
                (failures, opened_before) = (0, true);
                let since = Instant::now();
                let end = read(&mut stream, &events).await;
                cursor.follow(&stream);
                if let failure @ PostFailure::TooLong { .. } = end {
                    events(Upstream::PostFailed { wire: None, failure });
                    return;
                }
                short_lives = if since.elapsed() < GOOD_LIFE { short_lives + 1 } else { 0 };
                sleep(doubled(cursor.retry(), short_lives)).await;
            }
            Opened::None => return,
            // It may be the event that is not found. Without one only the session can be.
            Opened::SessionLost if cursor.last_id().is_some() => cursor.forget(),
            Opened::SessionLost => return events(Upstream::SessionLost { wire: None }),
            Opened::Later(wait) => sleep(wait).await,
            Opened::Failed(cause) => {
                failures += 1;
                events(Upstream::StreamFailed { times: failures, cause });
                sleep(doubled(cursor.retry(), failures)).await;
                if failures > 1 {
                    cursor.forget(); // what cannot be resumed can perhaps be opened
                }
            }
        }
    }
}

async fn open(endpoint: &Endpoint, cursor: &Cursor, opened_before: bool) -> Opened {
    let response = match endpoint.get(None, cursor.last_id()).await {
        Ok(response) => response,
        Err(error) => return Opened::Failed(error.cause()),
    };
    let status = response.status();
    if status == StatusCode::OK && reading::is_event_stream(&response) {
        return Opened::Stream(Box::new(EventStream::new(response, endpoint.limit())));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return Opened::None;
    }
    // Of a stream that was never there, 404 says only that: a session lost so soon is found lost by the next
    // request, and taken for lost here it would be replaced again and again.
    if opened_before && endpoint.session_lost(status) {
        return Opened::SessionLost;
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Opened::Later(retry_after(response).await.unwrap_or(LONGEST_WAIT).max(SHORTEST_WAIT));
    }
    // A client's credentials may come to their end before its session does; its next request brings others.
    if opened_before && endpoint.is_shown_the_clients() && refuses_credentials(status) {
        return Opened::Later(LONGEST_WAIT);
    }
    let cause = format!("HTTP status {}", status.as_u16());
    // 405 is the one right way to have no stream; many servers have others. Only what worked can fail.
    if !opened_before && !status.is_server_error() || status == StatusCode::NOT_IMPLEMENTED {
        tracing::debug!(cause, "upstream has no standalone stream");
        return Opened::None;
    }
    Opened::Failed(cause)
}

fn refuses_credentials(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

async fn read(stream: &mut EventStream, events: &Events) -> PostFailure {
    loop {
        match stream.next().await {
            Ok((bytes, permit)) => events(Upstream::Frame { wire: None, bytes, permit }),
            Err(end) => return end,
        }
    }
}

async fn retry_after(response: Response) -> Option<Duration> {
    match reading::refusal(response).await {
        PostFailure::Status { retry_after, .. } => retry_after,
        _ => None,
    }
}

/// `base`, doubled with every time after the first, up to [`LONGEST_WAIT`].
fn doubled(base: Duration, times: u32) -> Duration {
    base.saturating_mul(1 << times.saturating_sub(1).min(16)).min(LONGEST_WAIT.max(base))
}
