//! Sessions are strangers to each other; requests of one session are not kept waiting for one another.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Ask, Client, Reply, Service, backend};
use http::HeaderMap;
use serde_json::json;
use sha2::{Digest, Sha256};

/// One user would see, or change, what another user's server remembers.
#[tokio::test]
async fn sessions_never_see_each_others_state() {
    let service = Service::start(&backend("a", &[], "")).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    for expected in ["1", "2", "3"] {
        assert_eq!(one.text("counter", json!({})).await, expected);
    }
    assert_eq!(other.text("counter", json!({})).await, "1");
    assert_eq!(one.text("counter", json!({})).await, "4");
    assert_ne!(one.pid().await, other.pid().await);
    let shown = one.known("handshake").await;
    assert_eq!(shown["initialize_count"], 1, "a server is initialised by one client only: {shown}");
}

/// Equal ids of two clients, or of a client and its server, would mix up their answers.
#[tokio::test]
async fn equal_ids_of_different_sessions_do_not_meet() {
    let service = Service::start(&backend("a", &[], "")).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let ask = |message: &str, id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"{message}"}}}}}}"#
        )
    };
    for id in ["7", "-7", r#""seven""#, r#""7""#, "9007199254740993", "0"] {
        let (from_one, from_other) = tokio::join!(
            one.ask(ask("for one", id)).send(&service.main),
            other.ask(ask("for other", id)).send(&service.main)
        );
        let (from_one, from_other) = (from_one.text().await, from_other.text().await);
        assert!(from_one.contains("for one") && from_one.contains(&format!(r#""id":{id}"#)), "{from_one}");
        assert!(from_other.contains("for other"), "{from_other}");
    }
}

/// A slow tool would block everything else that its user does.
#[tokio::test]
async fn requests_of_one_session_overlap_and_answer_in_any_order() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let start = Instant::now();
    let slow = async {
        let text = client.text("sleep", json!({ "ms": 2000 })).await;
        (text, start.elapsed())
    };
    let quick = async {
        service.in_flight(1).await;
        let text = client.text("sleep", json!({ "ms": 100 })).await;
        (text, start.elapsed())
    };
    let ((slow, slow_at), (quick, quick_at)) = tokio::join!(slow, quick);
    assert_eq!((slow.as_str(), quick.as_str()), ("slept 2000 ms", "slept 100 ms"));
    assert!(quick_at < slow_at, "the quick one waited for the slow one");
    assert_eq!(client.text("peak", json!({})).await, "2", "the server had both at once");
}

/// Who could tell an ended session from a foreign one could look for ids that are worth stealing.
#[tokio::test]
async fn a_session_that_is_not_there_is_404_with_always_the_same_body() {
    let config = [backend("a", &[], ""), backend("b", &[], "")].concat();
    let service = Service::start(&config).await;
    let (own, ended) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    assert_eq!(ended.delete().await, 204);
    let mut bodies = Vec::new();
    for (path, session) in [
        ("/mcp/b", own.session.as_str()),
        ("/mcp/a", &ended.session),
        ("/mcp/a", "0123456789abcdef0123456789abcdef01234567"),
        ("/mcp/a", "x"),
    ] {
        for ask in every_way_to_use_a_session(path, session) {
            let reply = ask.send(&service.main).await;
            assert_eq!(reply.status, 404, "{path} {session}");
            bodies.push(without_date(reply).await);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    assert_eq!(own.text("counter", json!({})).await, "1", "the session itself is untouched");
    assert_eq!(service.connections().await.len(), 1);
}

/// With a stolen session id, or an event id, anybody with a key of his own could speak for somebody else, and read what is his.
#[tokio::test]
async fn with_keys_a_session_belongs_to_whoever_opened_it() {
    let service = Service::start(&(keys() + &backend("a", &[], ""))).await;
    for (path, prefix) in [("a", ""), ("", "a__")] {
        let alice = Client::open_with(&service, path, "alice-key", json!({})).await;
        let bob = Client::open_with(&service, path, "bob-key", json!({})).await;
        let counter = format!("{prefix}counter");
        assert_eq!(alice.text(&counter, json!({})).await, "1");
        let mut stream = alice.stream().await;
        alice.call(&format!("{prefix}change_tools"), json!({})).await;
        assert!(stream.message().await.is_some());
        let event = stream.last_event_id.clone().unwrap();

        let unknown = bob.ask(ping()).header("mcp-session-id", "unknown").send(&service.main).await;
        let expected = without_date(unknown).await;
        let mut asks = every_way_to_use_a_session(&alice.path, &alice.session);
        let resumed = asks[3].clone().header("last-event-id", &event);
        asks.push(resumed);
        for ask in asks {
            let before = foreign(&service).await;
            let reply = ask.header("authorization", "Bearer bob-key").send(&service.main).await;
            assert_eq!(reply.status, 404);
            assert_eq!(without_date(reply).await, expected);
            assert_eq!(foreign(&service).await, before + 1.0);
        }
        assert_eq!(alice.text(&counter, json!({})).await, "2");
        assert_eq!(bob.text(&counter, json!({})).await, "1");
        assert_eq!(alice.delete().await, 204);
    }
}

async fn foreign(service: &Service) -> f64 {
    service.metric(r#"mcpvisor_auth_failures_total{reason="foreign_session"}"#).await
}

/// The service would be open to everybody, or its clients would not know what they lack.
#[tokio::test]
async fn without_a_key_nobody_gets_anything() {
    let service = Service::start(&(keys() + &backend("a", &[], ""))).await;
    let alice = Client::open_with(&service, "a", "alice-key", json!({})).await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    for key in ["", "Bearer wrong", "Bearer ", "Basic YWxpY2U6YWxpY2Uta2V5", "Bearer alice-key2", "bob"] {
        let mut asks = every_way_to_use_a_session("/mcp/a", &alice.session);
        asks.push(Ask::mcp("/mcp/a", initialize.clone()));
        asks.push(Ask::mcp("/mcp/nothing", initialize.clone()));
        for ask in asks {
            let reply = ask.header("authorization", key).send(&service.main).await;
            assert_eq!(reply.status, 401, "{key:?}");
            assert!(reply.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
            let body = reply.json().await;
            assert!(body["error"]["message"].is_string(), "{body}");
            assert!(!body.to_string().contains("wrong"), "credentials are not repeated: {body}");
        }
    }
    assert_eq!(alice.text("counter", json!({})).await, "1");
    let probes = [("/livez", 200), ("/readyz", 200)];
    for (path, status) in probes {
        assert_eq!(service.get(path).await.status, status, "{path} needs no key");
    }
}

/// The admin API shows what runs, not what would let its reader take over a session.
#[tokio::test]
async fn full_session_ids_never_leave() {
    let service = Service::start(&backend("a", &["--crash-tool"], "")).await;
    let client = Client::open(&service, "a").await;
    client.call("crash", json!({})).await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    let shown = service.connections().await;
    let hash: String = Sha256::digest(&client.session).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown[0]["session"], hash[..12], "{shown:?}");
    let everything = format!("{shown:?}{}{}", service.metrics().await, service.log());
    assert!(!everything.contains(&client.session));
}

/// A hundred sessions at once share the machine, and each gets its own server's answers.
#[tokio::test]
async fn many_sessions_at_once_get_their_own_answers() {
    let service = Service::start(&backend("a", &[], "")).await;
    let mut work = tokio::task::JoinSet::new();
    for number in 0..40 {
        let client = Client::open(&service, "a").await;
        work.spawn(async move {
            for count in 1..=10 {
                let message = format!("{number}/{count}");
                assert_eq!(client.text("echo", json!({ "message": message })).await, message);
                assert_eq!(client.text("counter", json!({})).await, count.to_string());
            }
        });
    }
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, work.join_all()).await.expect("in time");
}

fn ping() -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string()
}

fn every_way_to_use_a_session(path: &str, session: &str) -> Vec<Ask> {
    let asks = [
        Ask::mcp(path, ping()),
        Ask::mcp(path, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string()),
        Ask::mcp(path, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string()),
        Ask::new("GET", path).header("accept", "text/event-stream"),
        Ask::new("DELETE", path),
    ];
    asks.map(|ask| ask.header("mcp-session-id", session)).into()
}

/// All that could give something away: status, headers and body.
async fn without_date(reply: Reply) -> (u16, HeaderMap, String) {
    let mut headers = reply.headers.clone();
    headers.remove("date");
    (reply.status, headers, reply.text().await)
}

fn keys() -> String {
    let key = |id: &str| {
        let digest = Sha256::digest(format!("{id}-key"));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{ id = {id:?}, sha256 = {hex:?} }}")
    };
    format!("[auth]\nkeys = [{}, {}]\n", key("alice"), key("bob"))
}
