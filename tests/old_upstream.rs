//! Upstreams that speak the HTTP with SSE of 2024-11-05 (`transport = "sse"`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[allow(dead_code, reason = "no test uses all of it")]
#[path = "modern/client.rs"]
mod modern;
#[path = "old_upstream/server.rs"]
mod server;

use serde_json::{Value, json};

use common::{Ask, Client, Service, code, eventually, exists, kill_9, reason, text_of};
use modern::Modern;
use server::OldServer;

/// Servers that were never renewed would be out of reach.
#[tokio::test]
async fn an_old_server_serves_sessions_of_new_clients() {
    let server = OldServer::start().await;
    let service = Service::start(&server.backend("headers = { X-Key = \"k\" }")).await;
    let (one, other) = (Client::open(&service, "o").await, Client::open(&service, "o").await);
    assert_eq!(one.text("echo", json!({ "message": "x" })).await, "x");
    assert_eq!(
        (one.text("counter", json!({})).await, one.text("counter", json!({})).await),
        ("1".into(), "2".into())
    );
    assert_eq!(other.text("counter", json!({})).await, "1", "each session has a stream of its own");
    let slow = one.call("sleep", json!({ "ms": 1000 }));
    let fast = one.text("echo", json!({ "message": "first" }));
    let (slow, fast) = tokio::join!(slow, fast);
    assert_eq!((text_of(&slow), fast), ("slept 1000 ms".into(), "first".into()), "answers come in any order");
    let meta = json!({ "progressToken": "p" });
    let message =
        one.message("tools/call", json!({ "name": "progress", "arguments": { "steps": 2 }, "_meta": meta }));
    let messages = one.post(&message).await.messages().await;
    let progress: Vec<&Value> =
        messages.iter().filter(|message| message["method"] == "notifications/progress").collect();
    assert!(progress.len() >= 2 && progress[0]["params"]["progressToken"] == "p", "{messages:?}");
    for headers in server.posts() {
        assert_eq!(headers["x-key"], "k");
        assert!(!headers.contains_key("mcp-session-id") && !headers.contains_key("mcp-protocol-version"));
    }
    let pid = server.pids()[0];
    let ended = Ask::new("DELETE", "/mcp/o");
    assert_eq!(one.credentials(ended).send(&service.main).await.status, 204);
    eventually("its stream is closed", async || (!exists(pid)).then_some(())).await;
}

/// What the server asks would be refused, or asked of somebody else.
#[tokio::test]
async fn what_an_old_server_asks_reaches_the_client_whose_call_it_is() {
    let server = OldServer::start().await;
    let service = Service::start(&server.backend("")).await;
    let client = Client::open_with(&service, "o", "", json!({ "elicitation": {} })).await;
    let message =
        client.message("tools/call", json!({ "name": "elicit", "arguments": { "message": "sure?" } }));
    let mut stream = client.post(&message).await;
    let question = stream.message().await.unwrap();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } });
    assert_eq!(client.post(&answer).await.status, 202);
    let done = stream.message().await.unwrap();
    assert_eq!(text_of(&done), r#"{"action":"decline"}"#);
    // The same for a client of the era without sessions.
    let client = Modern::new(&service, "o");
    let (_, state) = client.asked("elicit", json!({})).await;
    let declined = json!({ "r1": { "action": "decline" } });
    let (_, done) = client.answer("elicit", json!({}), declined, &state).await;
    assert_eq!(text_of(&done), r#"{"action":"decline"}"#);
}

/// A session would be lost with the stream of its server.
#[tokio::test]
async fn a_stream_that_breaks_is_a_fault_that_its_session_survives() {
    let server = OldServer::start().await;
    let service = Service::start(&server.backend("")).await;
    let client = Client::open(&service, "o").await;
    client.text("counter", json!({})).await;
    let sleeping = client.call("sleep", json!({ "ms": 60_000 }));
    let before = server.posts().len();
    let killing = async {
        // Not before the server has it: a request that comes after its stream has ended is refused by the server.
        eventually("it has the request", async || (server.posts().len() > before).then_some(())).await;
        kill_9(server.pids()[0]);
    };
    let (lost, ()) = tokio::join!(sleeping, killing);
    assert_eq!((code(&lost), reason(&lost)), (-31001, "http_connect"), "{lost}");
    assert_eq!(client.text("counter", json!({})).await, "1", "another stream, the same session");
    let restarts = "mcpvisor_restarts_total{backend=\"o\",reason=\"http_connect\"}";
    assert_eq!(service.metric(restarts).await, 1.0);
}

/// Whoever names the wrong address would wait for nothing.
#[tokio::test]
async fn what_is_no_such_server_is_told_at_once() {
    let other = Service::start(&common::backend("a", &[], "")).await;
    let config = format!(
        "[backends.o]\nurl = \"http://{}/livez\"\ntransport = \"sse\"\n\
         [backends.gone]\nurl = \"http://127.0.0.1:1/sse\"\ntransport = \"sse\"\n",
        other.main
    );
    let service = Service::start(&config).await;
    for (name, expected, words) in [("o", "http_status", "HTTP+SSE"), ("gone", "http_connect", "refused")] {
        let Err((status, answer)) = Client::try_open(&service, name).await else {
            panic!("{name}: a session")
        };
        assert_eq!((status, code(&answer), reason(&answer)), (200, -31006, expected), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    }
}
