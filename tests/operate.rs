//! An operator restarts, stops and starts backends, and ends sessions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use common::{Ask, Client, Service, backend, code, eventually, exists, reason};
use serde_json::{Value, json};

async fn order(service: &Service, method: &str, path: &str) -> (u16, Value) {
    let reply = Ask::new(method, path).send(&service.admin).await;
    (reply.status, reply.json().await)
}

async fn post(service: &Service, path: &str) -> (u16, Value) {
    order(service, "POST", path).await
}

async fn session_of(service: &Service, pid: u32) -> String {
    let connections = service.connections().await;
    let own = connections.iter().find(|one| one["pid"] == json!(pid)).unwrap();
    own["session"].as_str().unwrap().to_owned()
}

/// An operator could not replace a server that went wrong without its clients losing their sessions or calls.
#[tokio::test]
async fn a_restart_by_hand_lets_the_call_in_flight_finish_and_counts_no_error() {
    let service = Service::start(&backend("a", &[], "")).await;
    let (client, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let (before, untouched) = (client.pid().await, other.pid().await);
    let session = session_of(&service, before).await;
    let (slow, (status, reached)) = tokio::join!(client.call("sleep", json!({ "ms": 1000 })), async {
        service.in_flight(1).await;
        post(&service, &format!("/api/v1/connections/a/{session}/restart")).await
    });
    assert_eq!((status, &reached), (200, &json!({ "connections": 1 })));
    assert_eq!(slow["result"]["content"][0]["text"], "slept 1000 ms", "{slow}");
    let after = client.pid().await;
    assert!(before != after && !exists(before));
    assert_eq!(other.pid().await, untouched);
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="manual"}"#).await, 1.0);
    let connections = service.connections().await;
    assert!(connections.iter().all(|one| one["error_count"] == 0), "{connections:?}");
    let (status, reached) = post(&service, "/api/v1/backends/a/restart").await;
    assert_eq!((status, reached), (200, json!({ "connections": 2 })));
    assert!(client.pid().await != after && other.pid().await != untouched);
}

/// A stopped backend would come back by itself, or take its sessions with it.
#[tokio::test]
async fn a_stop_holds_until_the_start_and_sessions_outlive_it() {
    let config = [backend("a", &[], ""), backend("b", &[], "")].concat();
    let service = Service::start(&config).await;
    let (client, bystander) = (Client::open(&service, "a").await, Client::open(&service, "b").await);
    let before = client.pid().await;
    assert_eq!(post(&service, "/api/v1/backends/a/stop").await.0, 200);
    let refused = client.call("echo", json!({ "message": "x" })).await;
    assert_eq!((code(&refused), reason(&refused)), (-31002, "stopped_by_operator"), "{refused}");
    eventually("its process ends", async || (!exists(before)).then_some(())).await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let reply = Ask::mcp("/mcp/a", initialize).send(&service.main).await;
    assert_eq!(reply.header("mcp-session-id"), None);
    assert_eq!(reason(&reply.json().await), "stopped_by_operator");
    let shown = order(&service, "GET", "/api/v1/backends/a").await.1;
    assert_eq!(
        (&shown["stopped_by_operator"], &shown["status"]),
        (&json!(true), &json!("stopped")),
        "{shown}"
    );
    assert!(!bystander.call("echo", json!({ "message": "x" })).await["result"].is_null());
    assert_eq!(post(&service, "/api/v1/backends/a/start").await.0, 200);
    assert_ne!(client.pid().await, before);
}

/// An operator could not end one session that does harm.
#[tokio::test]
async fn an_operator_ends_a_session_and_its_call_is_told() {
    let service = Service::start(&backend("a", &[], "")).await;
    let (client, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let (pid, untouched) = (client.pid().await, other.pid().await);
    let session = session_of(&service, pid).await;
    let (lost, (status, _)) = tokio::join!(client.call("sleep", json!({ "ms": 60_000 })), async {
        service.in_flight(1).await;
        order(&service, "DELETE", &format!("/api/v1/connections/a/{session}")).await
    });
    assert_eq!(status, 200);
    assert_eq!((code(&lost), reason(&lost)), (-31007, "operator"), "{lost}");
    let gone = async || {
        let ask = client.ask(json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" }).to_string());
        (ask.send(&service.main).await.status == 404).then_some(())
    };
    eventually("the session answers 404", gone).await;
    eventually("its process ends", async || (!exists(pid)).then_some(())).await;
    assert_eq!(other.pid().await, untouched);
}

/// A typing mistake would look like success.
#[tokio::test]
async fn what_is_not_there_is_named() {
    let service = Service::start(&backend("memory", &[], "")).await;
    let (status, error) = post(&service, "/api/v1/backends/memroy/restart").await;
    assert_eq!(status, 404);
    assert!(error["error"].as_str().unwrap().contains("did you mean 'memory'?"), "{error}");
    let (status, error) = post(&service, "/api/v1/connections/memory/0123456789ab/restart").await;
    assert_eq!(status, 404);
    assert!(error["error"].as_str().unwrap().contains("no connection of session"), "{error}");
    assert_eq!(order(&service, "GET", "/api/v1/backends/memory/stop").await.0, 405);
}
