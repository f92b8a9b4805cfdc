//! The end of the service: what is under way is finished, nothing new begins, nothing is left.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Ask, Client, Reply, Service, backend, code, eventually, exists, reason, text_of};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

async fn serve(config: &str, drain_timeout: &str) -> Service {
    let setting = format!("gateway.drain_timeout={drain_timeout}");
    Service::start_in(TempDir::new().unwrap(), config, &[&setting]).await
}

async fn draining(service: &Service) {
    let draining = async || (service.get("/readyz").await.status == 503).then_some(());
    eventually("it drains", draining).await;
}

async fn refused(reply: Reply, id: Value, why: &str) {
    assert_eq!(reply.status, 503);
    let wait = reply.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    assert!(wait.is_some_and(|seconds| seconds > 0), "{wait:?}");
    let body = reply.json().await;
    assert_eq!((code(&body), reason(&body), &body["id"]), (-31005, why, &id), "{body}");
}

/// Every deployment would cut off the users' calls.
#[tokio::test]
async fn sigterm_lets_calls_finish_and_refuses_new_ones() {
    let mut service = serve(&backend("a", &[], ""), "20s").await;
    let (client, idle) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let mut stream = idle.stream().await;
    let pids = [client.pid().await, idle.pid().await];
    let (answer, ()) = tokio::join!(client.call("sleep", json!({ "ms": 2500 })), async {
        service.in_flight(1).await;
        service.signal(Signal::TERM);
        draining(&service).await;
        assert_eq!(service.get("/livez").await.status, 200, "alive to the end");
        let initialize = Client::initialize("2025-11-25", json!({})).to_string();
        refused(Ask::mcp("/mcp/a", initialize).send(&service.main).await, json!(0), "drain").await;
        let call = client.message("ping", Value::Null);
        refused(client.post(&call).await, call["id"].clone(), "drain").await;
        assert!(service.metrics().await.contains("mcpvisor_sessions"), "metrics are served to the end");
    });
    assert_eq!(text_of(&answer), "slept 2500 ms");
    while let Some(message) = stream.message().await {
        assert_eq!(message["id"], Value::Null, "only notifications: {message}");
    }
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
    assert!(!pids.into_iter().any(exists));
}

/// A call that takes too long would hold up the deployment, or be cut off without a word.
#[tokio::test]
async fn a_call_that_outlasts_the_drain_is_told_so() {
    let mut service = serve(&backend("a", &["--no-answer"], ""), "5s").await;
    let client = Client::open(&service, "a").await;
    let start = Instant::now();
    let (answer, ()) = tokio::join!(client.call("silent", json!({})), async {
        service.in_flight(1).await;
        service.signal(Signal::TERM);
    });
    assert_eq!((code(&answer), reason(&answer)), (-31005, "drain"), "{answer}");
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(8), "it took {:?}", start.elapsed());
    service.nothing_is_left().await;
}

/// Servers that do not want to go would stay behind, or hold up the end one after the other.
#[tokio::test]
async fn servers_that_ignore_eof_and_term_are_ended_within_the_drain() {
    let flags = ["--ignore-eof", "--ignore-term", "--grandchild", "--grandchild-setsid"];
    let settings = "timeouts.stdin_grace = \"1s\"\ntimeouts.term_grace = \"1s\"";
    let mut service = serve(&backend("stubborn", &flags, settings), "6s").await;
    let mut pids = Vec::new();
    for _ in 0..5 {
        let known = Client::open(&service, "stubborn").await.known("pid").await;
        pids.push(known["pid"].as_u64().unwrap());
        pids.extend(known["grandchildren"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap()));
    }
    assert_eq!(pids.len(), 15);
    let start = Instant::now();
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(6), "in parallel, not in turn: {:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_secs(2), "each had its time: {:?}", start.elapsed());
    service.nothing_is_left().await;
    let gone = async || pids.iter().all(|pid| !exists(u32::try_from(*pid).unwrap())).then_some(());
    eventually("whoever inherited them has reaped them", gone).await;
}

/// A session that is just being made would hang, and its server stay behind.
#[tokio::test]
async fn a_launch_under_way_is_given_up() {
    let mut service = serve(&backend("a", &["--hang-initialize", "--grandchild-setsid"], ""), "5s").await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let (reply, ()) = tokio::join!(Ask::mcp("/mcp/a", initialize).send(&service.main), async {
        let launching = async || service.connections().await.pop().filter(|one| one["pid"].is_u64());
        eventually("it is being launched", launching).await;
        service.signal(Signal::TERM);
    });
    assert_eq!((reply.status, reply.header("mcp-session-id")), (200, None));
    let answer = reply.json().await;
    assert_eq!((code(&answer), reason(&answer)), (-31005, "drain"), "{answer}");
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

/// Who presses Ctrl-C twice wants it gone now, and its servers with it.
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let flags = ["--no-answer", "--ignore-eof", "--ignore-term", "--grandchild"];
    let mut service = serve(&backend("a", &flags, ""), "25s").await;
    let client = Client::open(&service, "a").await;
    let call = client.message("tools/call", json!({ "name": "silent", "arguments": {} }));
    let call = client.ask(call.to_string());
    let address = service.main.clone();
    let cut = tokio::spawn(async move { call.send(&address).await });
    service.in_flight(1).await;
    service.signal(Signal::INT);
    draining(&service).await;
    let start = Instant::now();
    service.signal(Signal::INT);
    assert_eq!(service.ended().await.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(3), "it took {:?}", start.elapsed());
    service.nothing_is_left().await;
    cut.abort();
}

/// The clients of the GitHub gateway end it so, and ask again to be sure.
#[tokio::test]
async fn post_close_is_200_then_410_and_ends_the_service() {
    let mut service = serve(&backend("a", &[], ""), "20s").await;
    let client = Client::open(&service, "a").await;
    let (answer, ()) = tokio::join!(client.call("sleep", json!({ "ms": 2000 })), async {
        service.in_flight(1).await;
        let closed = Ask::new("POST", "/close").send(&service.main).await;
        assert_eq!(closed.status, 200);
        let closed = closed.json().await;
        assert_eq!(closed["status"], "closed", "{closed}");
        let again = Ask::new("POST", "/close").send(&service.main).await;
        assert_eq!(again.status, 410);
        assert!(again.json().await["error"].is_string());
        let initialize = Client::initialize("2025-11-25", json!({})).to_string();
        refused(Ask::mcp("/mcp/a", initialize).send(&service.main).await, json!(0), "close").await;
    });
    assert_eq!(text_of(&answer), "slept 2000 ms");
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

/// Anybody's page, or anybody with a key to nothing, could end the service.
#[tokio::test]
async fn not_everybody_may_close() {
    let digest: String = {
        use sha2::Digest;
        sha2::Sha256::digest("the-key").iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let keys = format!("[auth]\nkeys = [{{ id = \"ops\", sha256 = {digest:?} }}]\n");
    let mut service = serve(&(keys + &backend("a", &[], "")), "20s").await;
    let close = || Ask::new("POST", "/close");
    assert_eq!(close().send(&service.main).await.status, 401);
    assert_eq!(close().header("authorization", "Bearer other").send(&service.main).await.status, 401);
    let page = close().header("authorization", "Bearer the-key").header("origin", "https://evil.example");
    assert_eq!(page.send(&service.main).await.status, 403);
    assert!(service.runs());
    assert_eq!(close().header("authorization", "Bearer the-key").send(&service.main).await.status, 200);
    assert_eq!(service.ended().await.code(), Some(0));
}
