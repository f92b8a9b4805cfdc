//! A server dies: one call fails, its session goes on, and nobody else notices.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Client, Service, backend, code, eventually, exists, kill_9, reason};
use serde_json::json;

/// The promise of the whole program: a crash would cost its client the session, or leave it waiting.
#[tokio::test]
async fn kill_9_fails_the_call_in_flight_at_once_and_the_session_goes_on() {
    // Whoever answered only once the new process is ready would take three seconds.
    let service = Service::start(&backend("a", &["--slow-start", "3000"], "")).await;
    let client = Client::open(&service, "a").await;
    let before = client.pid().await;
    let (answer, took) = tokio::join!(client.call("sleep", json!({ "ms": 60_000 })), async {
        service.in_flight(1).await;
        kill_9(before);
        Instant::now()
    });
    assert!(took.elapsed() < Duration::from_secs(2), "answered {:?} after the death", took.elapsed());
    assert_eq!((code(&answer), reason(&answer)), (-31001, "signal"), "{answer}");
    let data = &answer["error"]["data"];
    assert_eq!((&data["backend"], &data["signal"]), (&json!("a"), &json!(9)), "{answer}");
    let connections = service.connections().await;
    assert_ne!(connections[0]["phase"], "ready", "the answer came before the new process was ready");

    let after = client.pid().await;
    assert_ne!(before, after);
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="signal"}"#).await, 1.0);
    let connections = service.connections().await;
    assert_eq!(connections.len(), 1, "{connections:?}");
    let shown = &connections[0];
    assert_eq!((&shown["restarts"], &shown["error_count"]), (&json!(1), &json!(1)), "{shown}");
    assert_eq!((&shown["pid"], &shown["phase"]), (&json!(after), &json!("ready")), "{shown}");
    assert_eq!(shown["incarnation"], 2, "{shown}");
}

/// A death would be told as something else, or once in a while not at all.
#[tokio::test]
async fn every_death_of_many_is_told_at_once_and_by_its_name() {
    let settings = "pool.max_error_count = 1000\nbackoff.min = \"1ms\"\nbackoff.max = \"1ms\"\n";
    let service = Service::start(&backend("a", &[], settings)).await;
    let client = Client::open(&service, "a").await;
    let mut times = Vec::new();
    for death in 1..=40 {
        let pid = client.pid().await;
        let (answered, killed) = tokio::join!(
            async {
                let answer = client.call("sleep", json!({ "ms": 60_000 })).await;
                assert_eq!((code(&answer), reason(&answer)), (-31001, "signal"), "death {death}: {answer}");
                Instant::now()
            },
            async {
                service.in_flight(1).await;
                kill_9(pid);
                Instant::now()
            }
        );
        times.push(answered.saturating_duration_since(killed));
    }
    times.sort();
    println!("from death to answer: median {:?}, longest {:?}", times[20], times[39]);
    assert!(times[39] < Duration::from_secs(2), "{times:?}");
    client.pid().await; // from the one that follows the last death
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="signal"}"#).await, 40.0);
}

/// A server that had started programs of its own would look alive when it is dead, and they would stay.
#[tokio::test]
async fn children_of_a_dead_server_neither_hide_its_death_nor_outlive_it() {
    let service =
        Service::start(&backend("a", &["--grandchild", "--grandchild-setsid", "--ignore-term"], "")).await;
    let client = Client::open(&service, "a").await;
    let grandchildren = client.known("pid").await["grandchildren"].clone();
    let pids: Vec<u32> = serde_json::from_value(grandchildren).unwrap();
    assert!(pids.len() == 2 && pids.iter().all(|pid| exists(*pid)));
    let start = Instant::now();
    let answer = kill_in_a_call(&service, &client).await;
    assert_eq!((code(&answer), reason(&answer)), (-31001, "signal"), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(5), "told only after {:?}", start.elapsed());
    eventually("they are gone", async || (!pids.iter().any(|pid| exists(*pid))).then_some(())).await;
    assert_eq!(client.text("counter", json!({})).await, "1");
}

/// One user's crash would disturb another's work.
#[tokio::test]
async fn other_sessions_notice_nothing() {
    let service = Service::start(&backend("a", &[], "")).await;
    let victim = Client::open(&service, "a").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        let other = Client::open(&service, "a").await;
        assert_eq!(other.text("counter", json!({})).await, "1");
        others.push(other);
    }
    let pid = victim.pid().await;
    let long_calls = others.iter().map(|other| other.text("sleep", json!({ "ms": 1500 })));
    let (slept, ()) = tokio::join!(common::all(long_calls), async {
        let (answer, ()) = tokio::join!(victim.call("sleep", json!({ "ms": 60_000 })), async {
            service.in_flight(4).await;
            kill_9(pid);
        });
        assert_eq!(code(&answer), -31001, "{answer}");
        assert_ne!(victim.pid().await, pid);
    });
    assert!(slept.iter().all(|text| text == "slept 1500 ms"), "{slept:?}");
    for other in &others {
        assert_eq!(other.text("counter", json!({})).await, "2");
    }
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="signal"}"#).await, 1.0);
}

/// A restarted server would believe in a client with other capabilities, log at another level, or
/// forget what the client subscribed to.
#[tokio::test]
async fn a_restart_replays_what_the_client_had_said_byte_for_byte() {
    let service = Service::start(&backend("a", &[], "")).await;
    // Spaces, key order, numbers and unknown fields as no library would write them.
    let initialize = r#"{ "method":"initialize","jsonrpc":"2.0", "params":{"clientInfo":{"version":"1.0","name":"te\u0073t"},"x":1.50,"capabilities":{"roots":{}},"protocolVersion":"2025-06-18"} ,"id":"first"}"#;
    let client = Client::open_by(&service, "a", "", initialize).await;
    client.request("logging/setLevel", json!({ "level": "warning" })).await;
    client.request("resources/subscribe", json!({ "uri": "fixture://one" })).await;
    client.request("resources/subscribe", json!({ "uri": "fixture://two" })).await;
    client.request("resources/unsubscribe", json!({ "uri": "fixture://two" })).await;
    let before = client.known("handshake").await;
    let answer = kill_in_a_call(&service, &client).await;
    assert_eq!(code(&answer), -31001, "{answer}");
    let after = client.known("handshake").await;

    let params = |shown: &serde_json::Value| {
        let line = shown["initialize"].as_str().unwrap().to_owned();
        let from = line.find(r#""params":"#).unwrap();
        line[from..line.rfind(" ,\"id\"").unwrap_or(line.len())].to_owned()
    };
    assert_eq!(params(&before), params(&after));
    assert!(initialize.contains(&params(&after)), "{after}");
    assert_eq!(after["initialize_count"], 1);
    assert_eq!(after["initialized_count"], 1);
    assert_eq!(after["log_level"], "warning");
    assert_eq!(after["subscribed"], json!(["fixture://one"]));
}

/// A server that can never work would be started for ever, and its clients wait for ever.
#[tokio::test]
async fn the_third_death_is_one_too_many_for_a_limit_of_two() {
    let settings = "pool.max_error_count = 2\nbackoff.min = \"10ms\"\n";
    let folder = tempfile::TempDir::new().unwrap();
    let starts = folder.path().join("starts");
    let flags = ["--die-after-handshake", "--count-starts", starts.to_str().unwrap()];
    let service = Service::start_in(folder, &backend("a", &flags, settings), &[]).await;
    let client = Client::open(&service, "a").await;
    let stopped = async || {
        let connections = service.connections().await;
        // The process is swept and reaped a moment after the verdict.
        let ended = connections[0]["phase"] == "stopped" && connections[0]["pid"].is_null();
        ended.then(|| connections[0].clone())
    };
    let shown = eventually("the connection is stopped and its process gone", stopped).await;
    assert_eq!((&shown["state"], &shown["error_count"]), (&json!("closed"), &json!(3)), "{shown}");
    assert_eq!(std::fs::read(&starts).unwrap().len(), 3, "one launch and two restarts");

    let asked = Instant::now();
    let answer = client.call("echo", json!({ "message": "hi" })).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "refused only after {:?}", asked.elapsed());
    assert_eq!((code(&answer), reason(&answer)), (-31002, "cooling"), "{answer}");
    let wait = answer["error"]["data"]["retry_after_ms"].as_u64().unwrap();
    assert!((1..=30_000).contains(&wait), "{answer}");
    assert_eq!(service.metric(r#"mcpvisor_max_error_stops_total{backend="a"}"#).await, 1.0);
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="exit"}"#).await, 2.0);
    service.nothing_is_left().await;
}

/// Whoever waits for the cooldown would find the session gone.
#[tokio::test]
async fn after_the_cooldown_the_next_request_starts_it_anew() {
    let settings = "pool.max_error_count = 0\npool.cooldown = \"1s\"\n";
    let service = Service::start(&backend("a", &[], settings)).await;
    let client = Client::open(&service, "a").await;
    let answer = kill_in_a_call(&service, &client).await;
    assert_eq!(code(&answer), -31001, "{answer}");
    let answer = client.call("echo", json!({ "message": "hi" })).await;
    assert_eq!(code(&answer), -31002, "{answer}");
    let answered = async || {
        let answer = client.call("echo", json!({ "message": "hi" })).await;
        (code(&answer) == 0).then_some(answer)
    };
    eventually("it works again", answered).await;
    assert_eq!(service.connections().await[0]["error_count"], 0);
}

/// A client would be told nothing of why, or take the session for lost.
#[tokio::test]
async fn every_way_to_die_in_a_call_is_named() {
    let ways = [
        ("crash", json!({ "code": 3 }), "exit"),
        ("crash", json!({ "signal": 11 }), "signal"),
        ("crash_mid", json!({}), "exit"),
        ("close_stdout", json!({}), "eof"),
        ("bad_frame", json!({}), "protocol"),
        ("giant", json!({ "bytes": 20 << 20 }), "oversize"),
    ];
    let service = Service::start(&backend("a", &["--fault-tools"], "")).await;
    for (tool, arguments, wanted) in ways {
        let client = Client::open(&service, "a").await;
        let answer = client.call(tool, arguments).await;
        assert_eq!((code(&answer), reason(&answer)), (-31001, wanted), "{tool}: {answer}");
        assert_eq!(client.text("echo", json!({ "message": "hi" })).await, "hi", "after {tool}");
        assert_eq!(client.delete().await, 204);
    }
    service.nothing_is_left().await;
}

/// A request that may safely be repeated would fail its client for nothing.
#[tokio::test]
async fn a_safe_request_is_sent_once_more() {
    let service = Service::start(&backend("a", &["--slow", "400"], "")).await;
    let client = Client::open(&service, "a").await;
    let before = client.pid().await;
    let (answer, ()) =
        tokio::join!(client.request("resources/read", json!({ "uri": "fixture://one" })), async {
            service.in_flight(1).await;
            kill_9(before);
        });
    let text = answer["result"]["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(text.starts_with("fixture://one") && !text.contains(&before.to_string()), "{text}");

    // A tool is safe if the server's own list says so, and it was asked for that list.
    client.request("tools/list", json!({})).await;
    let pid = client.pid().await;
    let (text, ()) = tokio::join!(client.text("echo", json!({ "message": "hi" })), async {
        service.in_flight(1).await;
        kill_9(pid);
    });
    assert_eq!(text, "hi");
}

/// A server that cannot be started would leave its client without a word, or with a session that is none.
#[tokio::test]
async fn a_launch_that_fails_is_told_to_whoever_asked_for_it() {
    let config = [
        backend("dies", &["--die-in-initialize"], ""),
        backend("hangs", &["--hang-initialize"], "timeouts.launch = \"300ms\""),
        "[backends.missing]\ncommand = \"/no/such/program\"\n".to_owned(),
    ];
    let service = Service::start(&config.concat()).await;
    for (name, wanted) in
        [("dies", &["exit", "handshake"][..]), ("hangs", &["launch_timeout"]), ("missing", &["spawn"])]
    {
        let initialize = Client::initialize("2025-11-25", json!({})).to_string();
        let reply = common::Ask::mcp(&format!("/mcp/{name}"), initialize).send(&service.main).await;
        assert_eq!((reply.status, reply.header("mcp-session-id")), (200, None), "{name}");
        let answer = reply.json().await;
        assert_eq!(code(&answer), -31006, "{answer}");
        assert!(wanted.contains(&reason(&answer)), "{answer}");
        assert_eq!(answer["id"], 0);
    }
    assert_eq!(service.metric(r#"mcpvisor_sessions{backend="dies"}"#).await, 0.0);
    service.nothing_is_left().await;
}

/// Kills the only server there is while it has a call, and gives the answer to that.
async fn kill_in_a_call(service: &Service, client: &Client) -> serde_json::Value {
    let pid = client.pid().await;
    let (answer, ()) = tokio::join!(client.call("sleep", json!({ "ms": 60_000 })), async {
        service.in_flight(1).await;
        kill_9(pid);
    });
    answer
}
