//! What a server says of its own accord: it arrives where it belongs, in order, and is not lost with a connection.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::Duration;

use common::{Ask, Client, Service, backend, text_of};
use serde_json::json;

/// A user would see no progress of a long task, or see it after the end.
#[tokio::test]
async fn progress_comes_in_order_and_before_the_answer() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    for token in [json!("a token"), json!(17)] {
        let message = client.message(
            "tools/call",
            json!({ "name": "progress", "arguments": { "steps": 20, "ms": 1 }, "_meta": { "progressToken": token } }),
        );
        let messages = client.post(&message).await.messages().await;
        let (answer, progress) = messages.split_last().unwrap();
        assert_eq!((&answer["id"], text_of(answer).as_str()), (&message["id"], "20 steps"));
        let steps: Vec<u64> =
            progress.iter().map(|one| one["params"]["progress"].as_u64().unwrap()).collect();
        assert_eq!(steps, (0..=20).collect::<Vec<u64>>());
        assert!(progress.iter().all(|one| one["params"]["progressToken"] == token), "{progress:?}");
    }
}

/// The progress of one task would show up at another.
#[tokio::test]
async fn progress_of_two_calls_goes_to_its_own() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let run = async |token: &str| {
        let arguments = json!({ "steps": 10, "ms": 20 });
        let params =
            json!({ "name": "progress", "arguments": arguments, "_meta": { "progressToken": token } });
        client.post(&client.message("tools/call", params)).await.messages().await
    };
    let (one, other) = tokio::join!(run("one"), run("other"));
    for (token, messages) in [("one", one), ("other", other)] {
        let progress = &messages[..messages.len() - 1];
        assert_eq!(progress.len(), 11, "{messages:?}");
        assert!(progress.iter().all(|one| one["params"]["progressToken"] == token), "{progress:?}");
    }
}

/// Who goes away for a moment (a lid that closes, a train in a tunnel) would lose the work.
#[tokio::test]
async fn a_client_that_disconnects_does_not_cancel() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let message = client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 1000 } }));
    let gone = tokio::time::timeout(Duration::from_millis(300), client.post(&message)).await;
    assert!(gone.is_err(), "it left before the answer");
    service.in_flight(0).await;
    assert_eq!(client.text("cancelled", json!({})).await, "0");
}

/// A client that asked for warnings would drown in debug lines, or see none.
#[tokio::test]
async fn log_lines_arrive_at_the_level_that_the_client_wants() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    client.request("logging/setLevel", json!({ "level": "warning" })).await;
    assert_eq!(client.text("log", json!({ "level": "debug", "text": "quiet" })).await, "not wanted");
    let message = client
        .message("tools/call", json!({ "name": "log", "arguments": { "level": "error", "text": "loud" } }));
    let mut messages = client.post(&message).await.messages().await;
    let answer = messages.pop().unwrap();
    assert_eq!(text_of(&answer), "logged");
    // With the call that said it, or on the stream that belongs to no call: both are the protocol's.
    let line = match messages.pop() {
        Some(line) => line,
        None => stream.message().await.unwrap(),
    };
    assert_eq!(line["params"], json!({ "level": "error", "logger": "fixture", "data": "loud" }), "{line}");
}

/// A client would show old contents for ever.
#[tokio::test]
async fn updates_of_a_subscribed_resource_come_on_the_stream() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    let uri = json!({ "uri": "fixture://one" });
    assert_eq!(client.text("touch", uri.clone()).await, "nobody subscribed");
    client.request("resources/subscribe", uri.clone()).await;
    assert_eq!(client.text("touch", uri.clone()).await, "announced");
    let update = stream.message().await.unwrap();
    assert_eq!((&update["method"], &update["params"]), (&json!("notifications/resources/updated"), &uri));
    client.text("change_tools", json!({})).await;
    assert_eq!(stream.message().await.unwrap()["method"], "notifications/tools/list_changed");
    client.request("resources/unsubscribe", uri.clone()).await;
    assert_eq!(client.text("touch", uri).await, "nobody subscribed");
}

/// What a client missed when its connection broke would be lost.
#[tokio::test]
async fn a_stream_is_resumed_where_its_client_left_it() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        let uri = json!({ "uri": format!("fixture://{name}") });
        client.request("resources/subscribe", uri.clone()).await;
        client.text("touch", uri.clone()).await;
        assert_eq!(stream.message().await.unwrap()["params"], uri);
        ids.push(stream.last_event_id.clone().expect("events have ids"));
    }
    drop(stream);
    let ask = client.credentials(Ask::new("GET", &client.path)).header("last-event-id", &ids[0]);
    let mut stream = ask.header("accept", "text/event-stream").send(&service.main).await;
    assert_eq!(stream.status, 200);
    for name in ["two", "three"] {
        assert_eq!(stream.message().await.unwrap()["params"]["uri"], format!("fixture://{name}"));
    }
    assert_eq!(stream.last_event_id.as_ref(), ids.last(), "under the ids they had");
    client.text("change_tools", json!({})).await;
    assert_eq!(stream.message().await.unwrap()["method"], "notifications/tools/list_changed");
}

/// A client whose connection breaks while its tool works would lose the answer.
#[tokio::test]
async fn an_answer_that_its_client_missed_is_resumed() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let arguments = json!({ "name": "progress", "arguments": { "steps": 10, "ms": 100 }, "_meta": { "progressToken": 1 } });
    let call = client.message("tools/call", arguments);
    let mut reply = client.post(&call).await;
    assert_eq!(reply.message().await.unwrap()["params"]["progress"], 0);
    let seen = reply.last_event_id.clone().expect("events have ids");
    drop(reply);
    let ask = client.credentials(Ask::new("GET", &client.path)).header("last-event-id", &seen);
    let rest = ask.header("accept", "text/event-stream").send(&service.main).await.messages().await;
    let (answer, progress) = rest.split_last().unwrap();
    let steps: Vec<u64> = progress.iter().map(|one| one["params"]["progress"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=10).collect::<Vec<u64>>());
    assert_eq!((&answer["id"], text_of(answer).as_str()), (&call["id"], "10 steps"));
}

/// A client that opens its stream again would hear nothing, or everything twice.
#[tokio::test]
async fn a_second_stream_replaces_the_first() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let mut first = client.stream().await;
    let mut second = client.stream().await;
    assert_eq!(first.message().await, None, "the first one ends");
    client.text("change_tools", json!({})).await;
    assert_eq!(second.message().await.unwrap()["method"], "notifications/tools/list_changed");
}
