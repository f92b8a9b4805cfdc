//! A backend whose connections fail one after the other is left alone for a while.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Ask, Client, Service, backend, eventually, reason};
use serde_json::{Value, json};

async fn open(service: &Service, backend: &str) -> Value {
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    Ask::mcp(&format!("/mcp/{backend}"), initialize).send(&service.main).await.json().await
}

async fn is_open(service: &Service) -> bool {
    service.metric(r#"mcpvisor_breaker_open{backend="a"}"#).await == 1.0
}

/// Every new session would start a server that cannot work, and wait for its failure.
#[tokio::test]
async fn failures_in_a_row_open_the_breaker_and_one_launch_tries_for_all() {
    let starts = tempfile::NamedTempFile::new().unwrap();
    let flags =
        ["--die-in-initialize", "--only-first", "4", "--count-starts", starts.path().to_str().unwrap()];
    let settings = "limits.breaker_threshold = 3\npool.cooldown = \"1s\"";
    let config = [backend("a", &flags, settings), backend("b", &[], "")].concat();
    let service = Service::start(&config).await;
    let mut failures = Vec::new();
    for _ in 0..3 {
        let failed = open(&service, "a").await;
        failures.push(reason(&failed).to_owned());
    }
    assert_eq!(failures, ["exit", "exit", "exit"]);
    eventually("the breaker opens", async || is_open(&service).await.then_some(())).await;
    let asked = Instant::now();
    let refused = open(&service, "a").await;
    assert_eq!(reason(&refused), "breaker", "{refused}");
    assert!(refused["error"]["data"]["retry_after_ms"].as_u64().unwrap() <= 1000, "{refused}");
    assert!(
        refused["error"]["message"].as_str().unwrap().contains("exit code 1"),
        "with its cause: {refused}"
    );
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(starts.path().metadata().unwrap().len(), 3, "nothing was started");
    let health = service.get("/health").await.json().await;
    assert_eq!(health["servers"]["a"]["status"], "error", "{health}");
    let bystander = Client::open(&service, "b").await;
    bystander.pid().await;

    // The fourth start tries for all, and fails; the fifth is well.
    let served = async || {
        let answer = open(&service, "a").await;
        answer["result"].is_object().then_some(())
    };
    eventually("a launch is tried after the cooldown", served).await;
    assert!(!is_open(&service).await);
    assert_eq!(starts.path().metadata().unwrap().len(), 5);
    Client::open(&service, "a").await.pid().await;
}

/// Sessions that were served would be lost for good to a backend that was broken for a while.
#[tokio::test]
async fn restarts_wait_for_the_breaker_and_sessions_go_on_after_it() {
    let starts = tempfile::NamedTempFile::new().unwrap();
    let broken = starts.path().with_extension("broken");
    let flags = [
        "--fault-tools",
        "--count-starts",
        starts.path().to_str().unwrap(),
        "--broken-while",
        broken.to_str().unwrap(),
    ];
    let settings = "limits.breaker_threshold = 6\npool.cooldown = \"1s\"\npool.max_error_count = 50\nbackoff.min = \"10ms\"\nbackoff.max = \"100ms\"";
    let service = Service::start(&backend("a", &flags, settings)).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Client::open(&service, "a").await);
    }
    std::fs::write(&broken, "").unwrap();
    for client in &clients {
        client.call("crash", json!({})).await;
    }
    eventually("the breaker opens", async || is_open(&service).await.then_some(())).await;
    let refused = async || {
        let answer = clients[0].call("echo", json!({ "message": "x" })).await;
        (answer["error"]["data"]["reason"] == "breaker").then_some(())
    };
    eventually("requests are refused with the reason", refused).await;
    let connections = service.connections().await;
    assert!(
        connections.iter().all(|one| one["phase"] == "backing_off" || one["phase"] == "launching"),
        "{connections:?}"
    );
    std::fs::remove_file(&broken).unwrap();
    for client in &clients {
        eventually("every session goes on", async || {
            let answer = client.call("echo", json!({ "message": "x" })).await;
            answer["result"].is_object().then_some(())
        })
        .await;
    }
    assert!(!is_open(&service).await);
}

/// An operator who has mended the backend would have to wait.
#[tokio::test]
async fn a_restart_by_hand_closes_the_breaker() {
    let starts = tempfile::NamedTempFile::new().unwrap();
    let flags =
        ["--die-in-initialize", "--only-first", "3", "--count-starts", starts.path().to_str().unwrap()];
    let settings = "limits.breaker_threshold = 3\npool.cooldown = \"10m\"";
    let service = Service::start(&backend("a", &flags, settings)).await;
    for _ in 0..3 {
        open(&service, "a").await;
    }
    eventually("the breaker opens", async || is_open(&service).await.then_some(())).await;
    assert_eq!(Ask::new("POST", "/api/v1/backends/a/restart").send(&service.admin).await.status, 200);
    Client::open(&service, "a").await.pid().await;
    assert!(!is_open(&service).await);
}
