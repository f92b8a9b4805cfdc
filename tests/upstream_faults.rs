//! What users see when the server behind a URL refuses, breaks, forgets or says nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "upstream_faults/reaching.rs"]
mod reaching;
#[path = "upstream_faults/refusals.rs"]
mod refusals;
#[path = "upstream_faults/reply.rs"]
mod reply;
#[path = "upstream_faults/sessions.rs"]
mod sessions;
#[path = "upstream_faults/silence.rs"]
mod silence;
#[path = "upstream_faults/streams.rs"]
mod streams;
#[path = "upstream_faults/upstream.rs"]
mod upstream;

use common::{Ask, Client, Service, code, eventually, reason};
use serde_json::{Value, json};

/// `initialize` that must not make a session; the answer.
async fn no_session(service: &Service, backend: &str) -> Value {
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let reply = Ask::mcp(&format!("/mcp/{backend}"), initialize).send(&service.main).await;
    assert_eq!((reply.status, reply.header("mcp-session-id")), (200, None));
    reply.json().await
}

/// The connection of a client, as the admin API shows it.
async fn shown(service: &Service, client: &Client) -> Value {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(&client.session);
    let session: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let found = service.connections().await.into_iter().find(|one| one["session"] == *session);
    found.unwrap_or_else(|| panic!("{session} is not shown"))
}

/// Phase, errors that count, restarts.
async fn state(service: &Service, client: &Client) -> (String, u64, u64) {
    let shown = shown(service, client).await;
    let number = |key: &str| shown[key].as_u64().unwrap();
    (shown["phase"].as_str().unwrap().to_owned(), number("error_count"), number("restarts"))
}

fn is(phase: &str, errors: u64, restarts: u64) -> (String, u64, u64) {
    (phase.to_owned(), errors, restarts)
}

/// Waits for it.
async fn until_phase(service: &Service, client: &Client, phase: &str) {
    let reached = async || (shown(service, client).await["phase"] == phase).then_some(());
    eventually(&format!("the connection is {phase}"), reached).await;
}

/// The count of a metric that has a reason.
async fn counted(service: &Service, name: &str, backend: &str, reason: &str) -> f64 {
    service.metric(&format!("mcpvisor_{name}{{backend={backend:?},reason={reason:?}}}")).await
}

/// The count of a metric of a backend.
async fn counted_in_all(service: &Service, name: &str, backend: &str) -> f64 {
    service.metric(&format!("mcpvisor_{name}{{backend={backend:?}}}")).await
}

/// A tool that is not to be carried out twice.
async fn counter(client: &Client) -> String {
    client.text("counter", json!({})).await
}

/// Refused for now, and told when to come again.
fn comes_again(answer: &Value, why: &str) -> u64 {
    assert_eq!((code(answer), reason(answer)), (-31002, why), "{answer}");
    let wait = answer["error"]["data"]["retry_after_ms"].as_u64();
    wait.filter(|wait| *wait > 0).unwrap_or_else(|| panic!("no time: {answer}"))
}
