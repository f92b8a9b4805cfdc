//! A server is replaced behind its client's back: what the client is told, and what of its session is restored.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use common::{Ask, Client, Reply, Service, backend, code, eventually, exists, kill_9, text_of};
use serde_json::{Value, json};
use tempfile::TempDir;

const QUICK_EVICTION: &str = "pool.idle_timeout = \"300ms\"\npool.cleanup_interval = \"100ms\"\n";
const SIGNAL: &str = "backend 'a' was restarted (signal: signal 9 (SIGKILL)); what it kept in memory is lost";

/// A client would go on as if its server still remembered, and show lists that may be others by now.
#[tokio::test]
async fn a_client_is_told_of_a_crash_and_of_nothing_at_the_first_launch() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    client.text("change_tools", json!({})).await;
    assert_eq!(
        stream.message().await.unwrap()["method"],
        "notifications/tools/list_changed",
        "nothing before"
    );
    assert_eq!(client.text("counter", json!({})).await, "1");
    for replays in [1.0, 2.0] {
        kill_9(client.pid().await);
        assert_eq!(announcement(&mut stream).await, SIGNAL);
        assert_eq!(client.text("counter", json!({})).await, "1");
        assert_eq!(replayed(&service, "ok").await, replays);
    }
    client.text("change_tools", json!({})).await;
    assert_eq!(stream.message().await.unwrap()["method"], "notifications/tools/list_changed", "and no more");
    assert_eq!((replayed(&service, "partial").await, replayed(&service, "failed").await), (0.0, 0.0));
}

/// Nothing crashed, so nobody would think of it: but the memory is gone all the same.
#[tokio::test]
async fn a_client_is_told_of_an_eviction_once_its_server_is_back() {
    let service = Service::start(&backend("a", &[], QUICK_EVICTION)).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    let pid = client.pid().await;
    eventually("it is evicted", async || (!exists(pid)).then_some(())).await;
    assert_eq!(replayed(&service, "ok").await, 0.0);
    assert_ne!(client.pid().await, pid);
    let text = announcement(&mut stream).await;
    let what = "was closed because nobody used it, and started again";
    assert_eq!(text, format!("backend 'a' {what}; what it kept in memory is lost"));
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="signal"}"#).await, 0.0);
}

/// Whoever was refused for a while would be served again without a word on what is missing.
#[tokio::test]
async fn a_client_is_told_after_a_stop_and_its_cooldown() {
    let settings = "pool.max_error_count = 0\npool.cooldown = \"500ms\"\n";
    let service = Service::start(&backend("a", &[], settings)).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    kill_9(client.pid().await);
    let refused = async || (code(&client.call("counter", json!({})).await) == -31002).then_some(());
    eventually("it is stopped", refused).await;
    let served = async || (code(&client.call("counter", json!({})).await) == 0).then_some(());
    eventually("it serves again", served).await;
    assert_eq!(announcement(&mut stream).await, SIGNAL);
}

/// An operator empties the memory of servers that are well, and their clients would not know.
#[tokio::test]
async fn a_client_is_told_of_an_operators_restart_and_of_a_stop_and_start() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    client.pid().await;
    order(&service, "restart").await;
    let text = "backend 'a' was restarted by hand; what it kept in memory is lost";
    assert_eq!(announcement(&mut stream).await, text);
    let pid = client.pid().await;
    order(&service, "stop").await;
    eventually("it is stopped", async || (!exists(pid)).then_some(())).await;
    order(&service, "start").await;
    assert_ne!(client.pid().await, pid);
    let text = "backend 'a' was stopped by an operator, and started again; what it kept in memory is lost";
    assert_eq!(announcement(&mut stream).await, text);
}

/// Of those who share a server only one would know, or hear of it at a level that it does not want.
#[tokio::test]
async fn all_who_share_a_server_are_told_each_at_its_own_level() {
    let service = Service::start(&backend("a", &[], "isolation = \"shared\"\n")).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let (mut first, mut second) = (one.stream().await, other.stream().await);
    other.request("logging/setLevel", json!({ "level": "error" })).await;
    kill_9(one.pid().await);
    assert_eq!(announcement(&mut first).await, SIGNAL);
    lists(&mut second, &["tools", "resources"]).await;
    assert_eq!(one.text("counter", json!({})).await, "1");
    // Who comes later has missed nothing.
    let mut third = Client::open(&service, "a").await.stream().await;
    one.text("change_tools", json!({})).await;
    for stream in [&mut first, &mut second, &mut third] {
        lists(stream, &["tools"]).await;
    }
    assert_eq!(replayed(&service, "ok").await, 1.0, "one server, one replay");
}

/// A client that listens only now and then would miss it.
#[tokio::test]
async fn what_is_announced_waits_for_a_client_that_opens_its_stream_later() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    restart(&service, &client).await;
    assert_eq!(announcement(&mut client.stream().await).await, SIGNAL);
}

/// A client that wants errors only would get warnings, or not hear of changed lists.
#[tokio::test]
async fn the_log_level_of_the_client_holds_for_the_warning_too() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    client.request("logging/setLevel", json!({ "level": "error" })).await;
    let mut stream = client.stream().await;
    kill_9(client.pid().await);
    lists(&mut stream, &["tools", "resources"]).await;
    client.request("logging/setLevel", json!({ "level": "warning" })).await;
    kill_9(client.pid().await);
    assert_eq!(announcement(&mut stream).await, SIGNAL);
    assert_eq!(client.known("handshake").await["log_level"], "warning");
}

/// One step that the new server refuses would cost the client its session, or the steps after it.
#[tokio::test]
async fn a_step_that_fails_makes_the_replay_partial_and_harms_nothing_else() {
    for (fault, settings) in [("--refuse", ""), ("--ignore", "timeouts.launch = \"1s\"\n")] {
        let service = second_start(&[fault, "logging/setLevel"], settings).await;
        let client = Client::open(&service, "a").await;
        client.request("logging/setLevel", json!({ "level": "warning" })).await;
        client.request("resources/subscribe", json!({ "uri": "fixture://one" })).await;
        restart(&service, &client).await;
        let after = client.known("handshake").await;
        assert_eq!(after["log_level"], "debug", "{fault}: {after}");
        // One that says nothing leaves no time for the rest; one that refuses does.
        let subscribed = if fault == "--refuse" { json!(["fixture://one"]) } else { json!([]) };
        assert_eq!(after["subscribed"], subscribed, "{fault}: {after}");
        assert_eq!(replayed(&service, "partial").await, 1.0, "{fault}");
        assert_eq!(service.connections().await[0]["error_count"], 1, "{fault}: the death, and no more");
        logged(&service, &["connection.replayed", "partial", "logging/setLevel"]).await;
    }
}

/// A server that came back with less would cost the client all of its session, or nobody would know.
#[tokio::test]
async fn a_lost_capability_is_logged_and_the_session_goes_on() {
    let service = second_start(&["--drop-capability", "resources"], "").await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    kill_9(client.pid().await);
    let warning = stream.message().await.unwrap();
    assert_eq!(warning["params"]["data"], SIGNAL, "{warning}");
    lists(&mut stream, &["tools"]).await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    // What it no longer has is not announced: asking for it would be an error.
    client.text("change_tools", json!({})).await;
    lists(&mut stream, &["tools"]).await;
    assert_eq!(replayed(&service, "partial").await, 1.0);
    logged(&service, &["connection.replayed", "partial", "resources"]).await;
}

/// A client would speak one version and its server another.
#[tokio::test]
async fn another_protocol_version_ends_the_session() {
    let service = second_start(&["--version", "2025-03-26"], "").await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    kill_9(client.pid().await);
    assert_eq!(stream.message().await, None, "the stream ends with the session");
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 404);
    assert_eq!(replayed(&service, "failed").await, 1.0);
    eventually("it is gone", async || service.connections().await.is_empty().then_some(())).await;
    service.nothing_is_left().await;
}

/// A new server would be told what its predecessor had asked for, and take it for an answer of its own.
#[tokio::test]
async fn an_answer_to_a_question_of_a_dead_server_reaches_nobody() {
    let folder = TempDir::new().unwrap();
    let lines = folder.path().join("lines");
    let flags = ["--record", lines.to_str().unwrap()];
    let service = Service::start_in(folder, &backend("a", &flags, ""), &[]).await;
    let client = Client::open_with(&service, "a", "", json!({ "elicitation": {} })).await;
    let call = client.message("tools/call", json!({ "name": "elicit", "arguments": {} }));
    let pid = client.pid().await;
    let mut reply = client.post(&call).await;
    let asked = reply.message().await.unwrap();
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    kill_9(pid);
    assert_eq!(code(&reply.message().await.unwrap()), -31001);
    // Before the new server is there, and after it.
    client.respond(&asked["id"], json!({ "action": "accept", "content": "too late" })).await;
    assert_ne!(client.pid().await, pid);
    client.respond(&asked["id"], json!({ "action": "accept", "content": "far too late" })).await;
    assert_eq!(text_of(&client.call("echo", json!({ "message": "done" })).await), "done");
    let heard = std::fs::read_to_string(&lines).unwrap();
    assert!(heard.contains("done") && !heard.contains("too late"), "{heard}");
}

/// The service with backend `a`, whose faults begin with its second start.
async fn second_start(faults: &[&str], settings: &str) -> Service {
    let folder = TempDir::new().unwrap();
    let starts = folder.path().join("starts");
    let flags = [&["--not-first", "1", "--count-starts", starts.to_str().unwrap()], faults].concat();
    Service::start_in(folder, &backend("a", &flags, settings), &[]).await
}

/// Kills the only server there is, and waits for the one in its place.
async fn restart(service: &Service, client: &Client) {
    let pid = client.pid().await;
    kill_9(pid);
    let back = async || {
        let shown = service.connections().await;
        (shown[0]["pid"] != json!(pid) && shown[0]["phase"] == "ready").then_some(())
    };
    eventually("another server is ready", back).await;
}

async fn order(service: &Service, what: &str) {
    let path = format!("/api/v1/backends/a/{what}");
    assert_eq!(Ask::new("POST", &path).send(&service.admin).await.status, 200);
}

/// The next messages announce a restart; the text of the warning.
async fn announcement(stream: &mut Reply) -> String {
    let warning = stream.message().await.unwrap();
    assert_eq!(warning["method"], "notifications/message", "{warning}");
    let params = &warning["params"];
    assert_eq!((&params["level"], &params["logger"]), (&json!("warning"), &json!("mcpvisor")), "{warning}");
    // The fixture does not promise to tell of changed prompts.
    lists(stream, &["tools", "resources"]).await;
    params["data"].as_str().unwrap().to_owned()
}

/// The next messages say that these lists may have changed.
async fn lists(stream: &mut Reply, expected: &[&str]) {
    for list in expected {
        let said = stream.message().await.unwrap();
        assert_eq!(said["method"], Value::from(format!("notifications/{list}/list_changed")), "{said}");
    }
}

async fn replayed(service: &Service, result: &str) -> f64 {
    service.metric(&format!("mcpvisor_replays_total{{backend=\"a\",result={result:?}}}")).await
}

/// One line of the log has all of these in it.
async fn logged(service: &Service, parts: &[&str]) {
    let found =
        async || service.log().lines().any(|line| parts.iter().all(|part| line.contains(part))).then_some(());
    eventually(&format!("{parts:?} is logged"), found).await;
}
