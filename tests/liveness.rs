//! A server that hangs is replaced, and one that only takes its time is left alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Client, Service, Upstream, backend, code, eventually, exists, reason, signal, text_of};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A backend `a` of the fixture, which records what it reads.
async fn start(flags: &[&str], settings: &str) -> Service {
    let folder = TempDir::new().unwrap();
    let record = folder.path().join("record");
    let flags = [&["--record", record.to_str().unwrap()], flags].concat();
    let config = backend("a", &flags, settings);
    Service::start_in(folder, &config, &[]).await
}

/// The pings that the fixture has read.
fn pings(service: &Service) -> usize {
    let record = std::fs::read_to_string(service.path("record")).unwrap_or_default();
    record.matches(r#""method":"ping""#).count()
}

/// How often a server was replaced because it hung.
async fn replaced(service: &Service) -> f64 {
    let faults = service.metric(r#"mcpvisor_faults_total{backend="a",reason="unresponsive"}"#).await;
    let restarts = service.metric(r#"mcpvisor_restarts_total{backend="a",reason="unresponsive"}"#).await;
    // A restart follows its fault, and this may have looked in between.
    if faults == restarts { restarts } else { f64::NAN }
}

async fn is_replaced(service: &Service) {
    let once = async || (replaced(service).await == 1.0).then_some(());
    eventually("the server is replaced", once).await;
}

async fn nothing_happened(service: &Service) {
    assert_eq!(replaced(service).await, 0.0);
    let shown = &service.connections().await[0];
    assert_eq!((&shown["restarts"], &shown["total_errors"]), (&json!(0), &json!(0)), "{shown}");
}

/// A server that runs its tools on the thread that reads, as many do, would be killed in the middle of its work.
#[tokio::test]
async fn a_server_that_blocks_in_a_slow_tool_is_left_alone() {
    let service = start(&["--block-tool"], "timeouts.heartbeat = \"100ms\"").await;
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    assert_eq!(client.text("block", json!({ "ms": 3000 })).await, "blocked 3000 ms");
    assert_eq!(client.text("counter", json!({})).await, "2");
    // Not thirty: those that lie there unread say enough.
    assert!((1..10).contains(&pings(&service)), "{} pings", pings(&service));
    nothing_happened(&service).await;
}

/// The same with the settings that everybody has; it takes its time.
#[tokio::test]
async fn a_server_that_blocks_for_fifty_seconds_is_left_alone_by_default() {
    if std::env::var_os("MCPVISOR_TEST_SLOW").is_none() {
        return;
    }
    let service = start(&["--block-tool"], "").await;
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    let call = client.message("tools/call", json!({ "name": "block", "arguments": { "ms": 50_000 } }));
    let mut reply = client.ask(call.to_string()).send_patiently(&service.main).await;
    let answer = reply.message_within(Duration::from_secs(100)).await.unwrap();
    assert_eq!(text_of(&answer), "blocked 50000 ms");
    assert_eq!(client.text("counter", json!({})).await, "2");
    assert_eq!(pings(&service), 3);
    nothing_happened(&service).await;
}

/// A session whose server hangs would be of no use for ever: every request would wait to its deadline.
#[tokio::test]
async fn a_server_that_hangs_is_replaced_with_all_that_it_started() {
    // The pings are missed after the request has timed out, and before.
    for (heartbeat, request) in [("400ms", "1s"), ("100ms", "2s")] {
        let settings = format!("timeouts.heartbeat = \"{heartbeat}\"\ntimeouts.request = \"{request}\"\n");
        let service = start(&["--block-tool", "--grandchild", "--ignore-term"], &settings).await;
        let client = Client::open(&service, "a").await;
        let known = client.known("pid").await;
        let mut pids: Vec<u32> = serde_json::from_value(known["grandchildren"].clone()).unwrap();
        pids.push(known["pid"].as_u64().unwrap().try_into().unwrap());
        assert!(pids.iter().all(|pid| exists(*pid)));
        let answer = client.call("block", json!({})).await;
        assert_eq!((code(&answer), reason(&answer)), (-31003, "request"), "{answer}");
        is_replaced(&service).await;
        eventually("they are gone", async || (!pids.iter().any(|pid| exists(*pid))).then_some(())).await;
        assert!(!pids.contains(&client.pid().await), "the next request is answered by a new one");
        let shown = &service.connections().await[0];
        assert_eq!((&shown["restarts"], &shown["error_count"]), (&json!(1), &json!(1)), "{shown}");
        assert!(shown["last_error"].as_str().unwrap().starts_with("unresponsive: "), "{shown}");
    }
}

/// A server that is stopped, swapped out or stuck in the kernel looks alive, and its session would hang with it.
#[tokio::test]
async fn a_stopped_server_is_replaced() {
    let settings = "timeouts.heartbeat = \"100ms\"\ntimeouts.request = \"1s\"\n";
    let service = start(&[], settings).await;
    let client = Client::open(&service, "a").await;
    let pid = client.pid().await;
    signal(pid, Signal::STOP);
    let answer = client.call("counter", json!({})).await;
    assert_eq!(code(&answer), -31003, "{answer}");
    is_replaced(&service).await;
    eventually("it is gone", async || (!exists(pid)).then_some(())).await;
    assert_ne!(client.pid().await, pid);
}

/// Who asks while a server hangs would not be told before its own deadline, or be told something else.
#[tokio::test]
async fn requests_in_flight_are_answered_when_a_server_is_given_up() {
    let settings = "timeouts.heartbeat = \"1100ms\"\ntimeouts.request = \"3s\"\n";
    let service = start(&["--block-tool"], settings).await;
    let client = Client::open(&service, "a").await;
    client.request("tools/list", json!({})).await; // echo may be sent twice, it says
    assert_eq!(code(&client.call("block", json!({})).await), -31003);
    let asked = Instant::now();
    let (lost, again) =
        tokio::join!(client.call("counter", json!({})), client.text("echo", json!({ "message": "hi" })));
    assert_eq!((code(&lost), reason(&lost)), (-31001, "unresponsive"), "{lost}");
    assert_eq!(again, "hi", "from the new one");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    is_replaced(&service).await;
}

/// One request that never ends would cost the others of its session their server.
#[tokio::test]
async fn a_server_that_forgets_one_request_and_answers_pings_is_left_alone() {
    let settings = "timeouts.heartbeat = \"50ms\"\ntimeouts.request = \"2s\"\n";
    let service = start(&["--no-answer", "--block-tool"], settings).await;
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    assert_eq!(code(&client.call("silent", json!({})).await), -31003);
    // It has answered since then, so that what it is busy with now is no part of that.
    assert_eq!(client.text("block", json!({ "ms": 1000 })).await, "blocked 1000 ms");
    assert_eq!(client.text("sleep", json!({ "ms": 500 })).await, "slept 500 ms");
    assert_eq!(client.text("counter", json!({})).await, "2");
    assert!(pings(&service) > 5, "{} pings", pings(&service));
    nothing_happened(&service).await;
}

/// A server that is known to be silent for long would be killed although somebody has said that it must not.
#[tokio::test]
async fn turned_off_nothing_is_sent_and_nothing_is_replaced() {
    let settings = "liveness = \"off\"\ntimeouts.heartbeat = \"50ms\"\ntimeouts.request = \"1s\"\n";
    let service = start(&["--block-tool"], settings).await;
    let client = Client::open(&service, "a").await;
    let before = client.pid().await;
    assert_eq!(code(&client.call("block", json!({ "ms": 3000 })).await), -31003);
    let back = async || {
        let answer = client.call("pid", json!({})).await;
        (code(&answer) == 0).then(|| text_of(&answer))
    };
    let text = eventually("it is back", back).await;
    assert!(text.contains(&format!("\"pid\":{before}")), "{text}");
    assert_eq!(pings(&service), 0);
    nothing_happened(&service).await;
}

/// A client would get messages that it never asked for, an operator see use that there is not.
#[tokio::test]
async fn nobody_sees_the_pings() {
    for flags in [&[] as &[&str], &["--no-pong"]] {
        let settings = "timeouts.heartbeat = \"50ms\"\ntimeouts.missed_pings = 5\nlimits.max_in_flight = 1\n";
        let service = start(flags, settings).await;
        let client = Client::open(&service, "a").await;
        let mut stream = client.stream().await;
        let call = client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 2000 } }));
        let (messages, ()) = tokio::join!(async { client.post(&call).await.messages().await }, async {
            service.in_flight(1).await;
            let before = service.connections().await[0].clone();
            eventually("it is pinged", async || (pings(&service) >= 5).then_some(())).await;
            let after = service.connections().await[0].clone();
            for same in ["request_count", "in_flight", "queued", "last_used_at", "error_count"] {
                assert_eq!(before[same], after[same], "{same}");
            }
            assert_eq!((&after["request_count"], &after["in_flight"]), (&json!(1), &json!(1)), "{after}");
        });
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert_eq!((&messages[0]["id"], text_of(&messages[0]).as_str()), (&call["id"], "slept 2000 ms"));
        // Nobody's place is taken by a ping, not even by one that is never answered.
        assert_eq!(client.text("change_tools", json!({})).await, "announced");
        let told = stream.message().await.unwrap();
        assert_eq!(told["method"], "notifications/tools/list_changed", "the first message: {told}");
        let page = service.metrics().await;
        let pinged = page.lines().find(|line| {
            line.starts_with("mcp_client_operation_duration_seconds_count") && line.contains("\"ping\"")
        });
        assert_eq!(pinged, None);
        nothing_happened(&service).await;
    }
}

/// A thousand sessions that do nothing would wake a thousand servers, again and again.
#[tokio::test]
async fn an_idle_server_is_not_pinged() {
    let folder = TempDir::new().unwrap();
    let record = folder.path().join("record");
    let settings = "timeouts.heartbeat = \"200ms\"";
    let idle = backend("a", &["--record", record.to_str().unwrap()], settings);
    let service = Service::start_in(folder, &[idle, backend("clock", &[], "")].concat(), &[]).await;
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    // On a busy machine that call may have taken its time.
    let before = pings(&service);
    let clock = Client::open(&service, "clock").await;
    assert_eq!(clock.text("sleep", json!({ "ms": 2000 })).await, "slept 2000 ms");
    assert_eq!(pings(&service), before);
    assert_eq!(client.text("counter", json!({})).await, "2");
}

/// A server would be killed because its user takes time to think.
#[tokio::test]
async fn a_server_that_waits_for_its_client_is_left_alone() {
    let settings = "timeouts.heartbeat = \"50ms\"\ntimeouts.missed_pings = 2\ntimeouts.request = \"1s\"\n";
    let service = start(&["--no-pong", "--no-answer"], settings).await;
    let client = Client::open_with(&service, "a", "", json!({ "elicitation": {} })).await;
    let before = client.pid().await;
    let call = client.message("tools/call", json!({ "name": "elicit", "arguments": {} }));
    let mut reply = client.post(&call).await;
    let asked = reply.message().await.unwrap();
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    for _ in 0..2 {
        let answer = client.call("silent", json!({})).await;
        assert_eq!(code(&answer), -31003, "{answer}");
    }
    client.respond(&asked["id"], json!({ "action": "decline" })).await;
    assert_eq!(text_of(&reply.message().await.unwrap()), r#"{"action":"decline"}"#);
    assert_eq!(client.pid().await, before);
    nothing_happened(&service).await;
}

fn upstream(url: &str, settings: &str) -> String {
    format!("[backends.a]\nurl = \"{url}\"\n{settings}\n")
}

/// An upstream that accepts everything and answers nothing would hold its sessions for ever.
#[tokio::test]
async fn an_upstream_that_hangs_is_replaced() {
    let far = Upstream::start().await;
    let settings = "timeouts.heartbeat = \"100ms\"\ntimeouts.request = \"1s\"\n";
    let service = Service::start(&upstream(&far.url, settings)).await;
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("sleep", json!({ "ms": 0 })).await, "slept 0 ms");
    far.hang();
    assert_eq!(code(&client.call("sleep", json!({ "ms": 0 })).await), -31003);
    is_replaced(&service).await;
    assert_eq!(client.text("sleep", json!({ "ms": 0 })).await, "slept 0 ms");
    assert_eq!(far.sessions(), 2);
    assert!(far.pings() >= 3, "{} pings", far.pings());
}

/// An upstream, or a proxy before it, that does not like pings would lose requests that it would have answered.
#[tokio::test]
async fn a_ping_that_an_upstream_refuses_costs_no_request() {
    for status in [0, 400, 401, 404, 429, 500, 503] {
        let far = Upstream::start().await;
        far.refuse_pings(status);
        let service = Service::start(&upstream(&far.url, "timeouts.heartbeat = \"50ms\"")).await;
        let client = Client::open(&service, "a").await;
        let call = client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 1000 } }));
        let messages: Vec<Value> = client.post(&call).await.messages().await;
        assert_eq!(messages.len(), 1, "{status}: {messages:?}");
        assert_eq!(text_of(&messages[0]), "slept 1000 ms", "{status}");
        assert!(far.pings() > 3, "{status}: {} pings", far.pings());
        assert_eq!(far.sessions(), 1, "{status}");
        nothing_happened(&service).await;
    }
}

/// An upstream that takes no more connections while it works would lose the request that it works on.
#[tokio::test]
async fn a_ping_that_does_not_get_through_costs_no_request() {
    let far = Upstream::start().await;
    let service = Service::start(&upstream(&far.url, "timeouts.heartbeat = \"50ms\"")).await;
    let client = Client::open(&service, "a").await;
    let (answer, ()) = tokio::join!(client.call("sleep", json!({ "ms": 1500 })), async {
        eventually("the call is there", async || (far.pings() > 0).then_some(())).await;
        far.close_the_door();
    });
    assert_eq!(text_of(&answer), "slept 1500 ms");
    nothing_happened(&service).await;
}
