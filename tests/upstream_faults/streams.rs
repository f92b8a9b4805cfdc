//! Streams that are cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::{Client, Service, code, eventually, reason};
use super::reply::Reply;
use super::upstream::{Seen, Upstream};
use super::{counted, counter, is, state, until_phase};

fn progress(step: u64) -> String {
    let params = json!({ "progressToken": "p", "progress": step });
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
    format!("data: {message}\n\n")
}

/// Calls the tool that goes wrong; everything that came, the answer last.
async fn call(client: &Client) -> Vec<Value> {
    let params = json!({ "name": "bad", "arguments": {}, "_meta": { "progressToken": "p" } });
    let reply = client.post(&client.message("tools/call", params)).await;
    assert_eq!(reply.status, 200);
    reply.messages().await
}

fn steps(messages: &[Value]) -> Vec<u64> {
    messages.iter().filter_map(|message| message["params"]["progress"].as_u64()).collect()
}

/// A client would wait out its timeout for an answer that is lost.
#[tokio::test]
async fn one_that_cannot_be_resumed_is_an_error_at_once() {
    let replies: [fn(&Seen) -> Reply; 4] = [
        |_| Reply::events(&progress(1)),
        |_| Reply::events("data: {\"jsonrpc\":\"2.0\",\"id\""),
        |seen| {
            Reply::cut(&format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{}",
                &seen.text("x")[..20]
            ))
        },
        |_| Reply::cut(""),
    ];
    for reply in replies {
        let upstream = Upstream::start(move |seen| (seen.tool() == "bad").then(|| reply(seen))).await;
        let service = Service::start(&upstream.backend("up", "")).await;
        let (client, other) = (Client::open(&service, "up").await, Client::open(&service, "up").await);
        assert_eq!((counter(&client).await, counter(&other).await), ("1".into(), "1".into()));
        let start = Instant::now();
        let answer = call(&client).await.pop().unwrap();
        assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
        assert!(start.elapsed() < Duration::from_secs(2), "told after {:?}", start.elapsed());
        assert_eq!(state(&service, &client).await, is("ready", 1, 0));
        assert_eq!(counted(&service, "faults_total", "up", "http_status").await, 1.0);
        assert_eq!(upstream.saw("tools/call").iter().filter(|seen| seen.tool() == "bad").count(), 1);
        assert_eq!((counter(&client).await, counter(&other).await), ("2".into(), "2".into()));
        assert_eq!(state(&service, &other).await, is("ready", 0, 0));
    }
}

/// A long call would fail whenever a proxy cuts its stream, though the server kept the answer.
#[tokio::test]
async fn one_with_event_ids_is_resumed_until_the_answer() {
    let upstream = Upstream::start(|seen| match (seen.tool(), seen.header("last-event-id")) {
        ("bad", _) => {
            Some(Reply::events(&format!("id: a\nretry: 50\ndata:\n\n{}id: b\n{}", progress(1), progress(2))))
        }
        ("", "b") => Some(Reply::events(&format!("id: c\n{}", progress(3)))),
        // The wire id of the call: the first was `initialize`.
        ("", "c") => {
            Some(Reply::events("id: d\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":[]}}\n\n"))
        }
        _ => None,
    })
    .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    let messages = call(&client).await;
    assert_eq!(steps(&messages), [1, 2, 3], "{messages:?}");
    assert_eq!(messages.last().unwrap()["result"], json!({ "content": [] }), "{messages:?}");
    let resumed: Vec<String> =
        upstream.saw("GET").iter().map(|seen| seen.header("last-event-id").to_owned()).collect();
    assert_eq!(resumed.iter().filter(|id| !id.is_empty()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(upstream.count("tools/call"), 1, "it is not sent again");
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
    assert_eq!(counter(&client).await, "1");
}

/// A server that has thrown the answer away would leave its client waiting.
#[tokio::test]
async fn one_that_may_not_be_resumed_is_an_error_at_once() {
    let upstream =
        Upstream::start(|seen| (seen.tool() == "bad").then(|| Reply::events("id: a\nretry: 50\ndata:\n\n")))
            .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    let start = Instant::now();
    let answer = call(&client).await.pop().unwrap();
    assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("405"), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(3), "told after {:?}", start.elapsed());
    assert_eq!(state(&service, &client).await, is("ready", 1, 0));
}

/// An upstream that is half dead would look well for ever, and what it announces be missed.
#[tokio::test]
async fn a_stream_that_fails_three_times_in_a_row_restarts_the_connection() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let upstream = Upstream::start(move |seen| match seen.what.as_str() {
        "GET" if is_broken.load(Relaxed) => Some(Reply::status("502 Bad Gateway", "", "")),
        "GET" => Some(Reply::open_events(": hi\n\n")),
        _ => None,
    })
    .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    assert_eq!(counter(&client).await, "1");
    let restarted = async || (state(&service, &client).await.2 == 1).then_some(());
    eventually("it is restarted", restarted).await;
    let first = |seen: &&Seen| seen.session() == "upstream-1";
    assert_eq!(upstream.saw("GET").iter().filter(first).count(), 3);
    broken.store(false, Relaxed);
    until_phase(&service, &client, "ready").await;
    eventually("the stream is open", async || (upstream.held() == 1).then_some(())).await;
    assert_eq!(counter(&client).await, "1", "in a new session");
    assert_eq!(state(&service, &client).await, is("ready", 1, 1));
    assert_eq!(counted(&service, "restarts_total", "up", "http_connect").await, 1.0);
    assert_eq!(counted(&service, "faults_total", "up", "http_connect").await, 1.0);
}

/// A server that does not keep old events would be asked for new sessions for ever, each of which begins with nothing.
#[tokio::test]
async fn a_stream_whose_events_are_forgotten_is_opened_anew() {
    let upstream = Upstream::start(|seen| match (seen.what.as_str(), seen.header("last-event-id")) {
        ("GET", "") => Some(Reply::events("retry: 50\nid: a\ndata:\n\n")),
        ("GET", _) => Some(Reply::status("404 Not Found", "", "no such event")),
        _ => None,
    })
    .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    upstream.until("GET", 6).await;
    assert_eq!(upstream.count("initialize"), 1);
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
    assert_eq!(counter(&client).await, "1");
}

/// One giant announcement would leave the session deaf for the rest of its life, and nobody know.
#[tokio::test]
async fn a_message_that_is_too_long_for_the_stream_restarts_the_connection() {
    let sent = AtomicBool::new(false);
    let upstream = Upstream::start(move |seen| match seen.what.as_str() {
        "GET" if !sent.swap(true, Relaxed) => Some(Reply::open_events(&format!(
            "data: {{\"jsonrpc\":\"2.0\",\"x\":\"{}\"}}\n\n",
            "x".repeat(9000)
        ))),
        "GET" => Some(Reply::open_events(
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n",
        )),
        _ => None,
    })
    .await;
    let service = Service::start(&upstream.backend("up", "limits.max_message_bytes = \"4KiB\"\n")).await;
    let client = Client::open(&service, "up").await;
    let mut stream = client.stream().await;
    let announced = async {
        while let Some(message) = stream.message().await {
            if message["method"] == "notifications/tools/list_changed" {
                return;
            }
        }
        panic!("the stream ended");
    };
    announced.await;
    assert_eq!(state(&service, &client).await, is("ready", 1, 1));
    assert_eq!(counted(&service, "faults_total", "up", "oversize").await, 1.0);
}
