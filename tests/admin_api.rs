//! The admin API: what happens, what servers say, what is logged, and who may ask.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

#[path = "admin_api/events.rs"]
mod events;
#[path = "admin_api/log.rs"]
mod log;
#[path = "admin_api/openapi.rs"]
mod openapi;
#[path = "admin_api/stderr.rs"]
mod stderr;

use common::{Ask, Reply, Service, backend, fixture};
use serde_json::Value;

/// A request to the admin listener.
async fn ask(service: &Service, method: &str, path: &str) -> Reply {
    Ask::new(method, path).send(&service.admin).await
}

/// Its answer as JSON.
async fn json(service: &Service, method: &str, path: &str) -> (u16, Value) {
    let reply = ask(service, method, path).await;
    (reply.status, reply.json().await)
}

/// A backend that says a word on standard error before it serves.
fn complaining(name: &str, settings: &str) -> String {
    let server = fixture().display().to_string();
    let script = format!("echo trouble is coming >&2; exec {server} misbehave --crash-tool --flood");
    format!("[backends.{name}]\ncommand = \"sh\"\nargs = [\"-c\", {script:?}]\n{settings}\n")
}

/// The hash of the only session.
async fn only_session(service: &Service) -> String {
    let connections = service.connections().await;
    assert_eq!(connections.len(), 1, "{connections:?}");
    connections[0]["session"].as_str().unwrap().to_owned()
}

/// A page in a browser, or anybody on the network, would read what servers say and stop them.
#[tokio::test]
async fn beyond_loopback_a_key_is_wanted_and_no_route_is_left_open() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("c.toml"), backend("a", &[], "")).unwrap();
    let mut open = std::process::Command::new(env!("CARGO_BIN_EXE_mcpvisor"));
    open.args(["serve", "--config", "c.toml", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"]);
    let refused = open.current_dir(folder.path()).env("HOME", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("admin_listen") && said.contains("auth.admin_keys"), "{said}");

    let keys = "[auth]\nadmin_keys = [{ id = \"ops\", env = \"OPS_KEY\" }]\n";
    let config = format!("{keys}{}", backend("a", &[], ""));
    let service = Service::start_with(folder, &config, &[], &[("OPS_KEY", "k3y")]).await;
    for (method, path) in [
        ("GET", "/metrics"),
        ("GET", "/api/v1/events?follow=false"),
        ("GET", "/api/v1/connections/a/shared/stderr"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/api/v1/log-level"),
        ("PUT", "/api/v1/log-level"),
        ("POST", "/api/v1/backends/a/stop"),
    ] {
        let refused = ask(&service, method, path).await;
        assert_eq!(refused.status, 401, "{method} {path}");
        assert!(refused.text().await.contains("auth.admin_keys"));
    }
    let with_key = Ask::new("GET", "/api/v1/events?follow=false").header("authorization", "Bearer k3y");
    assert_eq!(with_key.send(&service.admin).await.status, 200);
    let from_a_page = Ask::new("GET", "/api/v1/events").header("origin", "https://evil.example");
    assert_eq!(from_a_page.header("authorization", "Bearer k3y").send(&service.admin).await.status, 403);
}

/// Whoever mistypes a path would not know what there is.
#[tokio::test]
async fn what_is_not_there_is_answered_with_what_is() {
    let service = Service::start(&backend("memory", &[], "")).await;
    let (status, error) = json(&service, "GET", "/api/v1/conections").await;
    assert_eq!(status, 404);
    assert!(error["error"].as_str().unwrap().contains("/api/v1/connections"), "{error}");
    let (status, error) = json(&service, "POST", "/api/v1/connections/memory/x").await;
    assert_eq!(status, 405);
    assert!(error["error"].as_str().unwrap().contains("GET and DELETE"), "{error}");
    for path in ["/api/v1/connections/memroy/shared", "/api/v1/connections/memroy/shared/stderr"] {
        let (status, error) = json(&service, "GET", path).await;
        assert_eq!(status, 404);
        assert!(error["error"].as_str().unwrap().contains("did you mean 'memory'?"), "{error}");
    }
}
