//! The end of the service: what is under way is finished, nothing new begins, nothing is left.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "drain/stubborn.rs"]
mod stubborn;

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

/// What was accepted before would fail though there was time for it.
#[tokio::test]
async fn what_waits_in_the_queue_is_served_to_the_deadline() {
    let mut service = serve(&backend("a", &[], "limits.max_in_flight = 1\n"), "12s").await;
    let client = Client::open(&service, "a").await;
    // Of 12 s, 4 belong to the ladder: two of these calls fit, and the third is cut off under way.
    let call = || client.call("sleep", json!({ "ms": 3000 }));
    let (one, two, three, four, ()) = tokio::join!(call(), call(), call(), call(), async {
        let waiting = async || {
            let shown = service.connections().await;
            (shown[0]["in_flight"] == 1 && shown[0]["queued"] == 3).then_some(())
        };
        eventually("one is in flight and three wait", waiting).await;
        service.signal(Signal::TERM);
    });
    let answers = [one, two, three, four];
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| code(answer) == 0);
    assert!(served.len() == 2, "{answers:?}");
    served.iter().for_each(|answer| assert_eq!(text_of(answer), "slept 3000 ms"));
    for answer in refused {
        assert_eq!((code(answer), reason(answer)), (-31005, "drain"), "{answer}");
    }
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

/// A request of a server that is just being restarted would hang until the end of the drain, and be cut then.
#[tokio::test]
async fn what_waits_for_a_restart_is_told_at_once() {
    let mut service = serve(&backend("a", &["--slow-start", "6000"], ""), "20s").await;
    let client = Client::open(&service, "a").await;
    common::kill_9(client.pid().await);
    let noticed = async || (service.connections().await[0]["phase"] == "launching").then_some(());
    eventually("it is being restarted", noticed).await;
    let (answer, at) = tokio::join!(client.call("echo", json!({ "message": "hi" })), async {
        let waiting = async || (service.connections().await[0]["queued"] == 1).then_some(());
        eventually("it waits for the restart", waiting).await;
        service.signal(Signal::TERM);
        Instant::now()
    });
    assert_eq!((code(&answer), reason(&answer)), (-31005, "drain"), "{answer}");
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(at.elapsed() < Duration::from_secs(5), "it took {:?}", at.elapsed());
    service.nothing_is_left().await;
}

/// Whoever wants to know how a drain went would see nothing of it.
#[tokio::test]
async fn metrics_are_served_to_the_end() {
    let mut service = serve(&backend("stubborn", &["--ignore-eof", "--ignore-term"], ""), "20s").await;
    let client = Client::open(&service, "stubborn").await;
    assert!(client.pid().await > 0);
    service.signal(Signal::TERM);
    let (mut seen, mut last) = (false, Instant::now());
    while let Ok(stream) = tokio::net::TcpStream::connect(&service.admin).await {
        drop(stream);
        let page = common::raw(&service.admin, b"GET /metrics HTTP/1.0\r\n\r\n").await;
        seen |= page.contains("mcpvisor_connections{backend=\"stubborn\",phase=\"draining\"} 1");
        if page.contains("mcpvisor_sessions") {
            last = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(seen, "the connection was shown as draining");
    assert!(
        last.elapsed() < Duration::from_secs(1),
        "the last page came {:?} before the end",
        last.elapsed()
    );
}

/// Ctrl-C would end it in another way than an init system.
#[tokio::test]
async fn every_signal_drains() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut service = serve(&backend("a", &[], ""), "20s").await;
        let client = Client::open(&service, "a").await;
        let (answer, ()) = tokio::join!(client.call("sleep", json!({ "ms": 500 })), async {
            service.in_flight(1).await;
            service.signal(signal);
        });
        assert_eq!(text_of(&answer), "slept 500 ms", "{signal:?}");
        assert_eq!(service.ended().await.code(), Some(0), "{signal:?}");
        service.nothing_is_left().await;
    }
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
