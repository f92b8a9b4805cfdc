//! The one stream of the older transport: where to send messages, then all that the server says (2024-11-05, "HTTP with SSE").
//! It cannot be resumed: its end is the end of the link.

use std::sync::Arc;

use reqwest::StatusCode;

use super::endpoint::{Endpoint, Unanswered};
use super::event::{Events, PostFailure, Upstream};
use super::reading::{self, EventStream};
use crate::link::sse::Event;

/// Opens the stream and reads it to its end.
pub(super) async fn run(endpoint: Arc<Endpoint>, events: Events) {
    if let Err(failure) = read(&endpoint, &events).await {
        events(Upstream::StreamEnded { failure });
    }
}

async fn read(endpoint: &Endpoint, events: &Events) -> Result<(), PostFailure> {
    let response = endpoint.get(None, None).await;
    let response = response.map_err(|error| match error {
        Unanswered::NoToken(error) => PostFailure::NoToken { error },
        failed => PostFailure::NotSent { cause: failed.cause() },
    })?;
    if response.status() != StatusCode::OK {
        return Err(reading::refusal(response).await);
    }
    if !reading::is_event_stream(&response) {
        let cause =
            "a GET is not answered with text/event-stream: it does not speak the older HTTP+SSE".to_owned();
        return Err(PostFailure::Malformed { cause });
    }
    let mut stream = EventStream::new(response, endpoint.limit());
    loop {
        match stream.next_event().await? {
            (Event::Message(bytes), permit) => events(Upstream::Frame { wire: None, bytes, permit }),
            (Event::Endpoint(place), _) => {
                if !endpoint.learn_messages(&place) {
                    let cause = "the address for messages is none, or at another origin".to_owned();
                    return Err(PostFailure::Malformed { cause });
                }
            }
        }
    }
}
