//! `GET /api/v1/events`: what happens, as server-sent events: first what has happened, then what does.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::event_log::{EventLog, KEPT, Reading, Told};
use super::views::EventView;
use super::{Admin, backends, error};

/// What may stand behind the question mark.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// How many of the past.
    history: Option<usize>,
    /// Of this one only.
    backend: Option<String>,
    /// Whether to go on with those of the future.
    follow: Option<bool>,
}

/// One reader.
struct Reader {
    log: EventLog,
    past: VecDeque<Arc<Told>>,
    missed: Option<u64>,
    live: Option<broadcast::Receiver<Arc<Told>>>,
    backend: Option<String>,
    stop: CancellationToken,
}

pub(super) async fn stream(
    State(admin): State<Arc<Admin>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let wanted = match wanted {
        Ok(Query(wanted)) => wanted,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, wrong.body_text()),
    };
    if let Some(backend) =
        wanted.backend.as_deref().filter(|name| !admin.launcher.config().backends.contains_key(*name))
    {
        return backends::unknown(&admin, backend);
    }
    let Some(reading) = admin.events.read().await else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "the service is ending");
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let reader = Reader::new(&admin, wanted, reading, last);
    let events = stream::unfold(reader, async |mut reader| {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let keep_alive = KeepAlive::new().interval(admin.launcher.config().timeouts.sse_keepalive);
    // Else a proxy in between would keep events for itself until it has enough of them.
    ([("x-accel-buffering", "no")], Sse::new(events).keep_alive(keep_alive)).into_response()
}

impl Reader {
    fn new(admin: &Admin, wanted: Wanted, reading: Reading, last_id: Option<&str>) -> Self {
        let mut past: VecDeque<_> = reading.history.into();
        let mut missed = None;
        match last_id.and_then(|id| admin.events.number(id)) {
            Some(seen) => {
                missed = past
                    .front()
                    .map(|oldest| oldest.number.saturating_sub(seen + 1))
                    .filter(|count| *count > 0);
                past.retain(|told| told.number > seen);
            }
            None => {
                past.retain(|told| is_of(told, wanted.backend.as_deref()));
                let count = wanted.history.unwrap_or(KEPT).min(past.len());
                past.drain(..past.len() - count);
            }
        }
        let live = wanted.follow.unwrap_or(true).then_some(reading.live);
        let (log, stop) = (admin.events.clone(), admin.stop.clone());
        Self { log, past, missed, live, backend: wanted.backend, stop }
    }

    /// The next event; `None`: there will be no more.
    async fn next(&mut self) -> Option<Event> {
        if let Some(missed) = self.missed.take() {
            return said_missed(missed);
        }
        loop {
            let told = match self.past.pop_front() {
                Some(told) => told,
                None => match next_live(self.live.as_mut()?, &self.stop).await? {
                    Ok(told) => told,
                    Err(missed) => return said_missed(missed),
                },
            };
            if is_of(&told, self.backend.as_deref()) {
                return Some(Event::default().id(self.log.id(told.number)).data(&told.json));
            }
        }
    }
}

/// What has been told already is still delivered when the service ends.
async fn next_live(
    live: &mut broadcast::Receiver<Arc<Told>>,
    stop: &CancellationToken,
) -> Option<Result<Arc<Told>, u64>> {
    tokio::select! {
        biased;
        told = live.recv() => match told {
            Ok(told) => Some(Ok(told)),
            Err(RecvError::Lagged(missed)) => Some(Err(missed)),
            Err(RecvError::Closed) => None,
        },
        () = stop.cancelled() => None,
    }
}

/// Without an id: whoever comes back asks for what it has seen last.
fn said_missed(count: u64) -> Option<Event> {
    Some(Event::default().data(serde_json::to_string(&EventView::missed(count)).ok()?))
}

/// Events of the service as a whole are everybody's.
fn is_of(told: &Told, backend: Option<&str>) -> bool {
    match (backend, told.backend.as_deref()) {
        (Some(wanted), Some(backend)) => wanted == backend,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(number: u64) -> Arc<Told> {
        Arc::new(Told { number, backend: None, json: "{}".to_owned() })
    }

    /// Whoever reads too slowly would hold up the rest, or not know that something is missing.
    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_how_many_it_has_missed() {
        let (sender, live) = broadcast::channel(4);
        (1..=9).for_each(|number| drop(sender.send(told(number))));
        let stop = CancellationToken::new();
        let mut live = live;
        assert_eq!(next_live(&mut live, &stop).await.unwrap().unwrap_err(), 5);
        assert_eq!(next_live(&mut live, &stop).await.unwrap().unwrap().number, 6);
        stop.cancel();
        for number in 7..=9 {
            let told = next_live(&mut live, &stop).await.unwrap().unwrap();
            assert_eq!(told.number, number, "what was told before the end still comes");
        }
        assert!(next_live(&mut live, &stop).await.is_none());
    }
}
