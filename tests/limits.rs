//! What one principal may have of what there is for all: it is refused at its own bound, with a cause and a time, and the
//! others do not notice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "limits/backends.rs"]
mod backends;
#[path = "common/all.rs"]
mod common;
#[path = "limits/memory.rs"]
mod memory;
#[path = "limits/rates.rs"]
mod rates;

use std::time::{Duration, Instant};

use common::{Ask, Client, Reply, Service, all, backend, code, eventually, reason};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Two principals, these settings, and the backend `a`.
fn config(settings: &str) -> String {
    let key = |id: &str| {
        let digest = Sha256::digest(format!("{id}-key"));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{ id = {id:?}, sha256 = {hex:?} }}")
    };
    let keys = format!("[auth]\nkeys = [{}, {}]\n", key("alice"), key("bob"));
    [&keys, settings, "\n", &backend("a", &[], "")].concat()
}

async fn open(service: &Service, who: &str) -> Client {
    Client::open_with(service, "a", &format!("{who}-key"), json!({})).await
}

async fn begin(service: &Service, who: &str) -> Reply {
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let ask = Ask::mcp("/mcp/a", initialize).header("authorization", &format!("Bearer {who}-key"));
    ask.send(&service.main).await
}

/// Whether it is refused as somebody who asks too much, by this setting with this value, with a time to come again.
async fn is_refused(reply: Reply, status: u16, setting: &str, limit: u64) -> Value {
    let after = reply.header("retry-after").map(str::to_owned);
    let (got, body) = (reply.status, reply.json().await);
    assert_eq!((got, code(&body)), (status, -31004), "{body}");
    let data = &body["error"]["data"];
    assert_eq!((&data["setting"], &data["limit"]), (&json!(setting), &json!(limit)), "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains(setting), "{body}");
    assert!(after.is_some_and(|after| after.parse::<u64>().unwrap() > 0), "Retry-After: {body}");
    assert!(data["retry_after_ms"].as_u64().unwrap() > 0, "{body}");
    body
}

async fn reached(service: &Service, setting: &str) -> f64 {
    service.metric(&format!(r#"mcpvisor_limits_reached_total{{limit="{setting}"}}"#)).await
}

/// One who opens sessions and never ends them would leave none for the others.
#[tokio::test]
async fn a_principal_has_so_many_sessions_and_the_others_have_theirs() {
    let service = Service::start(&config("[principal_limits]\nmax_sessions = 2\n")).await;
    let (one, two) = (open(&service, "alice").await, open(&service, "alice").await);
    let body = is_refused(begin(&service, "alice").await, 429, "principal_limits.max_sessions", 2).await;
    assert_eq!(
        (reason(&body), &body["id"], &body["error"]["data"]["scope"]),
        ("sessions", &json!(0), &json!("principal"))
    );
    assert_eq!(service.connections().await.len(), 2, "nothing was launched for it");
    assert_eq!(open(&service, "bob").await.text("counter", json!({})).await, "1");
    one.delete().await;
    assert_eq!(open(&service, "alice").await.text("counter", json!({})).await, "1");
    assert_eq!(two.text("counter", json!({})).await, "1");
    assert_eq!(reached(&service, "principal_limits.max_sessions").await, 1.0);
}

/// One who starts servers would have all the memory that there is.
#[tokio::test]
async fn a_principal_has_so_many_connections_whatever_it_does() {
    let service = Service::start(&config("[principal_limits]\nmax_connections = 1\n")).await;
    let one = open(&service, "alice").await;
    is_refused(begin(&service, "alice").await, 429, "principal_limits.max_connections", 1).await;
    assert_eq!(open(&service, "bob").await.text("counter", json!({})).await, "1");
    assert_eq!(one.text("counter", json!({})).await, "1");
    assert_eq!(service.connections().await.len(), 2);
    one.delete().await;
    let again = async || (begin(&service, "alice").await.status == 200).then_some(());
    eventually("there is room", again).await;
}

/// One who has a hundred slow calls in flight would make everybody wait behind them.
#[tokio::test]
async fn a_principal_has_so_many_requests_at_once_and_delays_nobody() {
    let service = Service::start(&config("[principal_limits]\nmax_requests = 4\n")).await;
    let (alice, more, bob) =
        (open(&service, "alice").await, open(&service, "alice").await, open(&service, "bob").await);
    let slow = all((0..4).map(async |_| alice.text("sleep", json!({ "ms": 3000 })).await));
    let others = async {
        service.in_flight(4).await;
        let refused = all((0..50).map(async |number| {
            let message = json!({ "jsonrpc": "2.0", "id": format!("r{number}"), "method": "ping" });
            let body = is_refused(more.post(&message).await, 429, "principal_limits.max_requests", 4).await;
            assert_eq!(body["id"], message["id"]);
        }));
        let served = async {
            for count in 1..=20 {
                let start = Instant::now();
                assert_eq!(bob.text("counter", json!({})).await, count.to_string());
                assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            }
        };
        tokio::join!(refused, served);
        // What is no request is never refused: a client must be able to take back what it asked.
        more.notify("notifications/roots/list_changed", json!({})).await;
    };
    let (slept, ()) = tokio::join!(slow, others);
    assert!(slept.iter().all(|text| text == "slept 3000 ms"), "{slept:?}");
    assert_eq!(more.text("counter", json!({})).await, "1", "there is room again");
    assert_eq!(reached(&service, "principal_limits.max_requests").await, 50.0);
}

/// A stream costs a connection for as long as its client likes.
#[tokio::test]
async fn a_principal_has_so_many_streams_and_a_client_that_comes_back_is_not_one_more() {
    let service = Service::start(&config("[principal_limits]\nmax_streams = 1\n")).await;
    let (one, two, bob) =
        (open(&service, "alice").await, open(&service, "alice").await, open(&service, "bob").await);
    let listen = async |client: &Client| {
        let ask = client.credentials(Ask::new("GET", "/mcp/a")).header("accept", "text/event-stream");
        ask.send(&service.main).await
    };
    let first = listen(&one).await;
    assert_eq!(first.status, 200);
    let body = is_refused(listen(&two).await, 429, "principal_limits.max_streams", 1).await;
    assert_eq!(reason(&body), "streams");
    let again = listen(&one).await;
    assert_eq!((again.status, listen(&bob).await.status), (200, 200));
    drop((first, again));
    eventually("there is room", async || (listen(&two).await.status == 200).then_some(())).await;
}

/// The service as a whole would take on more than its machine can do.
#[tokio::test]
async fn all_together_have_so_many_requests_and_streams() {
    let service = Service::start(&config("[http]\nmax_requests = 2\nmax_streams = 1\n")).await;
    let (alice, bob) = (open(&service, "alice").await, open(&service, "bob").await);
    let slow = all((0..2).map(async |_| alice.text("sleep", json!({ "ms": 1500 })).await));
    let others = async {
        service.in_flight(2).await;
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        let body = is_refused(bob.post(&ping).await, 503, "http.max_requests", 2).await;
        assert_eq!((reason(&body), &body["error"]["data"]["scope"]), ("in_flight", &json!("service")));
    };
    tokio::join!(slow, others);
    assert_eq!(bob.text("counter", json!({})).await, "1");
    let _stream = alice.stream().await;
    let ask = bob.credentials(Ask::new("GET", "/mcp/a")).header("accept", "text/event-stream");
    is_refused(ask.send(&service.main).await, 503, "http.max_streams", 1).await;
}
