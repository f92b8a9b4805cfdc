//! What becomes of single requests and notifications, whatever happens to the connection meanwhile.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::*;
use mcpvisor_actors::message::{self, Envelope};
use mcpvisor_actors::{
    EndCause, Exchange, Launcher, OpenTransport, Phase, Refusal, Route, SessionEvent, SessionRecord,
    SessionSink,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// A client that counts what it is asked and answers nothing.
#[derive(Clone, Default)]
struct Client(Arc<AtomicUsize>);

impl SessionSink for Client {
    fn deliver(&self, event: SessionEvent) {
        if matches!(event, SessionEvent::ServerRequest { .. }) {
            self.0.fetch_add(1, Relaxed);
        }
    }
}

fn session(launcher: &Launcher, client: &Client) -> Route {
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let record = SessionRecord::new("p", message::request(0, "initialize", &params));
    launcher.route("b", "s", record, Box::new(client.clone())).unwrap()
}

fn initialized(route: &Route) {
    route.notify(Envelope::parse(message::notification("notifications/initialized", None)).unwrap());
}

async fn send(route: &Route, id: u64, tool: &str, arguments: Value) -> Result<Value, Refusal> {
    let params = json!({ "name": tool, "arguments": arguments });
    let request = Envelope::parse(message::request(id, "tools/call", &params)).unwrap();
    let exchange = tokio::time::timeout(Duration::from_secs(20), route.request(request)).await;
    let answer = match exchange.expect("an answer in time").expect("an answer") {
        Exchange::Answer(answer) => answer,
        Exchange::Stream(stream) => stream.answer.await.unwrap(),
    };
    let answer: Value = serde_json::from_slice(&answer?).unwrap();
    Ok(answer)
}

/// A request that waits behind a long one would be kept waiting for as long as that one makes progress.
#[tokio::test]
async fn a_queued_request_times_out_although_the_one_before_it_makes_progress() {
    let settings = "limits.max_in_flight = 1\ntimeouts.request = \"2s\"\ntimeouts.request_max = \"60s\"";
    let launcher = launcher(&backend("b", &[], settings)).await;
    let connection = launcher.get_or_launch("b").await.unwrap();
    let long = tokio::spawn({
        let connection = connection.clone();
        let arguments = json!({ "steps": 50, "ms": 100 });
        let params = json!({ "name": "progress", "arguments": arguments, "_meta": { "progressToken": 1 } });
        async move { connection.request("tools/call", &params).await }
    });
    eventually("the long one is in flight", async || only(&launcher).await.in_flight == 1).await;
    let asked = Instant::now();
    let refusal = call(&connection, "echo", json!({ "message": "x" })).await.unwrap_err();
    assert_eq!(refusal.kind(), "timeout");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    long.abort();
    launcher.close().await;
}

/// The backend would wait for `initialized` for ever, and refuse what the client asks.
#[tokio::test]
async fn initialized_is_not_lost_with_a_launch_that_fails() {
    let settings = "pool.max_error_count = 1\npool.cooldown = \"200ms\"\nbackoff.min = \"10ms\"";
    let launcher = launcher(&backend("b", &["--slow-start", "700"], settings)).await;
    let route = session(&launcher, &Client::default());
    assert!(route.attach().await.unwrap().accepted);
    let first = only(&launcher).await.pid.unwrap();
    kill_9(first);
    let launching = async || {
        let now = only(&launcher).await;
        now.phase == Phase::Launching && now.pid.is_some_and(|pid| pid != first)
    };
    eventually("the second is launched", launching).await;
    initialized(&route);
    kill_9(only(&launcher).await.pid.unwrap());
    eventually("stopped", async || only(&launcher).await.phase == Phase::Stopped).await;
    let mut answer = Err(());
    eventually("serving again", async || {
        answer = send(&route, 1, "handshake", json!({})).await.map_err(drop);
        answer.is_ok()
    })
    .await;
    let text = answer.unwrap()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    let handshake: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(handshake["initialized_count"], 1, "{handshake}");
    launcher.close().await;
}

/// A session that only says something would be shown as launching for as long as it lives.
#[tokio::test]
async fn a_notification_to_an_evicted_session_brings_nothing_back() {
    let settings = "pool.idle_timeout = \"200ms\"\npool.cleanup_interval = \"50ms\"";
    let launcher = launcher(&backend("b", &[], settings)).await;
    let route = session(&launcher, &Client::default());
    route.attach().await.unwrap();
    initialized(&route);
    eventually("evicted", async || launcher.list().await.is_empty()).await;
    let said = message::notification("notifications/roots/list_changed", None);
    route.notify(Envelope::parse(said).unwrap());
    assert!(launcher.alive(Duration::from_secs(5)).await, "the registry has seen it");
    assert!(launcher.list().await.is_empty());
    launcher.close().await;
}

/// A client that vanished with a question open would keep its server for ever.
#[tokio::test]
async fn a_question_that_nobody_answers_does_not_keep_an_idle_connection() {
    let settings = "pool.idle_timeout = \"300ms\"\npool.cleanup_interval = \"100ms\"";
    let launcher = launcher(&backend("b", &["--request-early"], settings)).await;
    let client = Client::default();
    let route = session(&launcher, &client);
    route.attach().await.unwrap();
    initialized(&route);
    eventually("asked", async || client.0.load(Relaxed) == 1).await;
    eventually("evicted", async || launcher.list().await.is_empty()).await;
    launcher.close().await;
}

/// A request that was on its way when its session ended would start a server that nobody ends.
#[tokio::test]
async fn an_ended_session_launches_nothing() {
    let launcher = launcher(&backend("b", &[], "")).await;
    let route = session(&launcher, &Client::default());
    route.attach().await.unwrap();
    route.end(EndCause::Delete);
    let refusal = send(&route, 1, "pid", json!({})).await.unwrap_err();
    assert_eq!((refusal.kind(), refusal.reason()), ("session_ended", "delete"));
    eventually("forgotten", async || launcher.list().await.is_empty()).await;
    let refusal = send(&route, 2, "pid", json!({})).await.unwrap_err();
    assert_eq!((refusal.kind(), refusal.reason()), ("session_ended", "delete"));
    assert!(launcher.list().await.is_empty());
    launcher.close().await;
}

/// A server that asks and asks would fill the memory of the service.
#[tokio::test]
async fn questions_that_nobody_answers_are_bounded() {
    let launcher = launcher(&backend("b", &[], "limits.max_in_flight = 8")).await;
    let client = Client::default();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let refused = tokio::spawn(interrogator(theirs, 100));
    let (reader, writer) = tokio::io::split(ours);
    let route = session(&launcher, &client);
    // The key exists from here on, so the session's own route is what the transport is put under.
    route.attach().await.unwrap();
    launcher.pool().set("b", "s", OpenTransport::new(reader, writer)).await.unwrap();
    assert_eq!(refused.await.unwrap(), 92);
    assert_eq!(client.0.load(Relaxed), 8);
    launcher.close().await;
}

/// Shakes hands, asks `count` questions, and tells how many were refused.
async fn interrogator(stream: tokio::io::DuplexStream, count: usize) -> usize {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    let mut refused = 0;
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["method"] == "initialize" {
            let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            for id in 0..count {
                let question = json!({ "jsonrpc": "2.0", "id": id, "method": "roots/list" });
                writer.write_all(format!("{question}\n").as_bytes()).await.unwrap();
            }
        } else if message.get("error").is_some() {
            refused += 1;
            if refused == 92 {
                break;
            }
        }
    }
    refused
}

/// A service that is told to end in a second would leave its servers to end when they like.
#[tokio::test]
async fn a_drain_that_is_shorter_than_the_ladder_kills_what_is_left() {
    let flags = ["--ignore-eof", "--ignore-term", "--no-answer"];
    let launcher =
        launcher(&format!("[gateway]\ndrain_timeout = \"1s\"\n{}", backend("b", &flags, ""))).await;
    let connection = launcher.get_or_launch("b").await.unwrap();
    let pid = pid(&connection).await;
    let silent = tokio::spawn(async move { call(&connection, "silent", json!({})).await });
    eventually("in flight", async || only(&launcher).await.in_flight == 1).await;
    launcher.close().await;
    assert!(!exists(pid), "left behind");
    assert_eq!(silent.await.unwrap().unwrap_err().kind(), "shutting_down");
}

/// Whoever finds all launches taken would be told that his session has ended.
#[tokio::test]
async fn what_waits_for_a_launch_that_never_starts_is_told_so() {
    let settings = "limits.max_concurrent_launches = 1\ntimeouts.launch = \"1s\"";
    let launcher = launcher(&backend("b", &["--hang-initialize"], settings)).await;
    let attach = |session: &'static str| {
        let launcher = launcher.clone();
        tokio::spawn(async move { launcher.get_or_launch_for_session("b", session).await.map(drop) })
    };
    let (first, second) = (attach("1"), attach("2"));
    eventually("two launch", async || launcher.list().await.len() == 2).await;
    let third = attach("3");
    eventually("three launch", async || launcher.list().await.len() == 3).await;
    // The second takes over halfway, and so has the only ticket when the time of the third is over.
    tokio::time::sleep(Duration::from_millis(500)).await;
    kill_9(launcher.list().await.iter().find_map(|entry| entry.pid).unwrap());
    let connection = launcher.pool().get("b", "3").await.unwrap();
    let waiting = call(&connection, "echo", json!({})).await.unwrap_err();
    assert_eq!((waiting.kind(), waiting.reason()), ("overloaded", "tickets"));
    let refusal = third.await.unwrap().unwrap_err();
    assert_eq!((refusal.kind(), refusal.reason()), ("overloaded", "tickets"));
    let _ = (first.await, second.await);
    eventually("forgotten", async || launcher.list().await.is_empty()).await;
    launcher.close().await;
}
