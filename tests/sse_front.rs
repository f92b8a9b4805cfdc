//! Clients of the older HTTP+SSE (2024-11-05): `GET /sse/{backend}` and `POST /message/{backend}`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use common::{Ask, Client, Reply, Service, backend, code, eventually, reason, text_of};
use rustix::process::Signal;
use serde_json::{Value, json};

/// One client; dropped, its stream is closed.
struct Old {
    address: String,
    place: String,
    key: String,
    stream: Reply,
}

impl Old {
    async fn connect(service: &Service, backend: &str, key: &str) -> Self {
        let bearer = if key.is_empty() { String::new() } else { format!("Bearer {key}") };
        let get = Ask::new("GET", &format!("/sse/{backend}")).header("accept", "text/event-stream");
        let mut stream = get.header("authorization", &bearer).send(&service.main).await;
        assert!(stream.status == 200 && stream.is_stream(), "{}", stream.status);
        let first = stream.raw_event().await.unwrap();
        let place = first.strip_prefix("event: endpoint\ndata: ").unwrap_or_else(|| panic!("{first}"));
        assert!(place.starts_with(&format!("/message/{backend}?session_id=")), "{place}");
        Self { address: service.main.clone(), place: place.to_owned(), key: bearer, stream }
    }

    async fn open(service: &Service, backend: &str, version: &str, capabilities: Value) -> Self {
        let mut client = Self::connect(service, backend, "").await;
        client.say(&Client::initialize(version, capabilities)).await;
        let answer = client.next().await;
        assert_eq!((&answer["id"], &answer["result"]["protocolVersion"]), (&json!(0), &json!(version)));
        client.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        client
    }

    fn ask(&self, body: String) -> Ask {
        let ask = Ask::new("POST", &self.place).header("content-type", "application/json");
        ask.header("authorization", &self.key).body(body)
    }

    async fn say(&self, message: &Value) {
        assert_eq!(self.ask(message.to_string()).send(&self.address).await.status, 202, "{message}");
    }

    async fn call(&self, id: u64, tool: &str, arguments: Value) {
        let params = json!({ "name": tool, "arguments": arguments });
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })).await;
    }

    /// The next message; every event has its name.
    async fn next(&mut self) -> Value {
        loop {
            let event = self.stream.raw_event().await.expect("the stream goes on");
            if !event.starts_with(':') {
                let data = event.strip_prefix("event: message\ndata: ").unwrap_or_else(|| panic!("{event}"));
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

async fn sessions_are(service: &Service, wanted: f64) {
    let reached = async || (service.metric("mcpvisor_sessions{backend=\"b\"}").await == wanted).then_some(());
    eventually("the number of sessions", reached).await;
}

/// Clients that know nothing newer would reach no server.
#[tokio::test]
async fn a_session_is_its_stream() {
    let service = Service::start(&backend("b", &[], "")).await;
    for version in ["2024-11-05", "2025-11-25"] {
        let mut client = Old::open(&service, "b", version, json!({ "elicitation": {} })).await;
        client.call(1, "elicit", json!({ "message": "name?" })).await;
        let question = client.next().await;
        assert_eq!(question["method"], "elicitation/create");
        client.call(2, "echo", json!({ "message": "meanwhile" })).await;
        assert_eq!(text_of(&client.next().await), "meanwhile");
        let accepted = json!({ "action": "accept", "content": { "name": "Ada" } });
        client.say(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": accepted })).await;
        assert!(text_of(&client.next().await).contains("Ada"));
        client.call(3, "change_tools", json!({})).await;
        let (one, other) = (client.next().await, client.next().await);
        assert!([&one, &other].iter().any(|said| said["method"] == "notifications/tools/list_changed"));
        sessions_are(&service, 1.0).await;
        drop(client);
        sessions_are(&service, 0.0).await;
    }
}

/// The client would be told nothing, or be cut off, where others are not.
#[tokio::test]
async fn a_crash_costs_the_call_and_not_the_stream() {
    let service = Service::start(&backend("b", &["--crash-tool"], "")).await;
    let mut client = Old::open(&service, "b", "2024-11-05", json!({})).await;
    client.call(1, "crash", json!({ "code": 3 })).await;
    let lost = client.next().await;
    assert_eq!((code(&lost), reason(&lost)), (-31001, "exit"), "{lost}");
    client.call(2, "counter", json!({})).await;
    loop {
        let said = client.next().await;
        if said["id"] == 2 {
            break assert_eq!(text_of(&said), "1");
        }
    }
}

/// Somebody else's messages would be taken, or somebody else's answers read.
#[tokio::test]
async fn a_stream_belongs_to_its_principal_and_its_backend() {
    let auth = "[auth]\nkeys = [{ id = \"a\", env = \"KEY_A\" }, { id = \"b\", env = \"KEY_B\" }]\n";
    let config = format!("{auth}{}{}", backend("b", &[], ""), backend("c", &[], ""));
    let folder = tempfile::TempDir::new().unwrap();
    let (a, b) = ("key-of-a-key-of-a-key", "key-of-b-key-of-b-key");
    let service = Service::start_with(folder, &config, &[], &[("KEY_A", a), ("KEY_B", b)]).await;
    assert_eq!(service.get("/sse/b").await.status, 401);
    let client = Old::connect(&service, "b", a).await;
    let initialize = Client::initialize("2024-11-05", json!({})).to_string();
    let mut refusals = Vec::new();
    for (place, key, status) in [
        (client.place.clone(), "", 401),
        (client.place.clone(), b, 404),
        (client.place.replace("/message/b", "/message/c"), a, 404),
        ("/message/b?session_id=x".to_owned(), a, 404),
        ("/message/b".to_owned(), a, 400),
        (client.place.clone(), a, 202),
    ] {
        let bearer = if key.is_empty() { String::new() } else { format!("Bearer {key}") };
        let ask = Ask::new("POST", &place)
            .header("content-type", "application/json")
            .body(initialize.clone())
            .header("authorization", &bearer);
        let reply = ask.send(&service.main).await;
        assert_eq!(reply.status, status, "{place} {key}");
        if status == 404 {
            refusals.push(reply.text().await);
        }
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "nobody is told whether it is another's or nobody's: {refusals:?}");
    assert_eq!(service.metric(r#"mcpvisor_auth_failures_total{reason="foreign_session"}"#).await, 1.0);
    let evil = Ask::new("GET", "/sse/b").header("origin", "http://evil.example").send(&service.main).await;
    assert_eq!(evil.status, 403);
    assert_eq!(Ask::new("POST", "/sse/b").send(&service.main).await.status, 405);
}

/// What is wrong with a message would be found out by nobody.
#[tokio::test]
async fn what_is_no_message_of_a_session_is_refused() {
    let service = Service::start(&backend("b", &[], "limits.max_body_bytes = 2000\n")).await;
    let client = Old::connect(&service, "b", "").await;
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let status = async |body: &str| client.ask(body.to_owned()).send(&client.address).await.status;
    assert_eq!(status(&ping).await, 400, "before initialize");
    assert_eq!(status("{oops").await, 400);
    assert_eq!(status(&"x".repeat(3000)).await, 413);
    let ask = client.ask(ping).header("content-type", "text/plain");
    assert_eq!(ask.send(&client.address).await.status, 415);
}

/// Streams that wait for nothing would hold up the end of the service, or be cut before their answers.
#[tokio::test]
async fn a_drain_lets_answers_out_and_closes_streams() {
    let mut service = Service::start(&backend("b", &[], "")).await;
    let idle = Old::connect(&service, "b", "").await;
    let mut client = Old::open(&service, "b", "2024-11-05", json!({})).await;
    client.call(1, "sleep", json!({ "ms": 700 })).await;
    service.in_flight(1).await;
    service.signal(Signal::TERM);
    assert_eq!(text_of(&client.next().await), "slept 700 ms");
    assert_eq!(client.stream.raw_event().await, None);
    assert_eq!(service.ended().await.code(), Some(0));
    drop(idle);
}

/// One client that does not read would hold up the others, or fill the memory.
#[tokio::test]
async fn a_slow_reader_harms_nobody() {
    let service = Service::start(&backend("b", &[], "limits.max_message_bytes = 1000000\n")).await;
    let mut slow = Old::open(&service, "b", "2024-11-05", json!({})).await;
    for id in 1..=40 {
        slow.call(id, "big", json!({ "bytes": 900_000 })).await;
    }
    service.in_flight(0).await;
    slow.call(41, "big", json!({ "bytes": 1 })).await;
    let mut other = Old::open(&service, "b", "2024-11-05", json!({})).await;
    other.call(1, "echo", json!({ "message": "quick" })).await;
    assert_eq!(text_of(&other.next().await), "quick");
    let mut answers = Vec::new();
    while answers.len() < 41 {
        answers.push(slow.next().await);
    }
    let refused: Vec<u64> = answers
        .iter()
        .filter(|answer| reason(answer) == "unfetched")
        .filter_map(|one| one["id"].as_u64())
        .collect();
    assert!(refused.contains(&41), "it was given everything: {refused:?}");
    slow.call(42, "echo", json!({ "message": "on" })).await;
    assert_eq!(text_of(&slow.next().await), "on");
}
