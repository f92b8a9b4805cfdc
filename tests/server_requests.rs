//! What a server asks its client, and what a client takes back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use common::{Client, Reply, Service, backend, eventually, kill_9, text_of};
use serde_json::{Value, json};

fn everything() -> Value {
    json!({ "sampling": {}, "elicitation": {}, "roots": { "listChanged": true } })
}

async fn open(service: &Service) -> Client {
    Client::open_with(service, "a", "", everything()).await
}

/// Starts a call and gives its reply, which is expected to become a stream.
async fn start(client: &Client, tool: &str, arguments: Value) -> (Value, Reply) {
    let message = client.message("tools/call", json!({ "name": tool, "arguments": arguments }));
    let reply = client.post(&message).await;
    assert_eq!(reply.status, 200);
    assert!(reply.is_stream(), "{tool} has something to say before its answer");
    (message, reply)
}

/// Tools that need the client's model, its user or its files would not work through the gateway.
#[tokio::test]
async fn sampling_elicitation_and_roots_reach_the_client_and_its_answers_come_back() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = open(&service).await;
    for (tool, arguments, method, answer) in [
        (
            "sample",
            json!({ "prompt": "Why?" }),
            "sampling/createMessage",
            json!({ "model": "m", "role": "assistant" }),
        ),
        ("elicit", json!({ "message": "Who?" }), "elicitation/create", json!({ "action": "decline" })),
        ("roots", json!({}), "roots/list", json!({ "roots": [{ "uri": "file:///x" }] })),
    ] {
        let (call, mut reply) = start(&client, tool, arguments.clone()).await;
        let asked = reply.message().await.expect("the server's request");
        assert_eq!(asked["method"], method, "{asked}");
        for given in arguments.as_object().unwrap().values() {
            assert!(asked["params"].to_string().contains(given.as_str().unwrap()), "{asked}");
        }
        client.respond(&asked["id"], answer.clone()).await;
        let answered = reply.message().await.expect("the tool's answer");
        assert_eq!(answered["id"], call["id"]);
        assert_eq!(serde_json::from_str::<Value>(&text_of(&answered)).unwrap(), answer);
        assert_eq!(reply.message().await, None, "the stream ends with the answer");
    }
}

/// A client that refuses would be taken for one that agrees, or its server would wait for ever.
#[tokio::test]
async fn a_client_may_answer_with_an_error() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = open(&service).await;
    let (_, mut reply) = start(&client, "sample", json!({})).await;
    let asked = reply.message().await.unwrap();
    let refusal =
        json!({ "jsonrpc": "2.0", "id": asked["id"], "error": { "code": -1, "message": "User rejected" } });
    assert_eq!(client.post(&refusal).await.status, 202);
    let answered = reply.message().await.unwrap();
    assert_eq!(answered["result"]["isError"], true, "{answered}");
    assert!(text_of(&answered).contains("User rejected"));
}

/// Two users' servers count their requests alike; one would get the other's answer.
#[tokio::test]
async fn equal_ids_of_two_servers_do_not_meet() {
    let service = Service::start(&backend("a", &[], "")).await;
    let (one, other) = (open(&service).await, open(&service).await);
    let (_, mut for_one) = start(&one, "elicit", json!({ "message": "one?" })).await;
    let (_, mut for_other) = start(&other, "elicit", json!({ "message": "other?" })).await;
    let (asked_one, asked_other) = (for_one.message().await.unwrap(), for_other.message().await.unwrap());
    assert!(asked_one.to_string().contains("one?") && asked_other.to_string().contains("other?"));
    // A stranger's answer, an answer to nothing, and one given twice change nothing.
    other.respond(&asked_other["id"], json!({ "from": "other" })).await;
    other.respond(&asked_other["id"], json!({ "from": "other, again" })).await;
    other.respond(&json!(4711), json!({ "from": "nobody" })).await;
    one.respond(&asked_one["id"], json!({ "from": "one" })).await;
    assert_eq!(text_of(&for_one.message().await.unwrap()), r#"{"from":"one"}"#);
    assert_eq!(text_of(&for_other.message().await.unwrap()), r#"{"from":"other"}"#);
}

/// A server that asks for roots right after the handshake would get nothing, or block the first call.
#[tokio::test]
async fn a_request_with_nothing_in_flight_waits_for_a_stream() {
    let record = tempfile::TempDir::new().unwrap();
    let lines = record.path().join("lines");
    let flags = ["--request-early", "--record", lines.to_str().unwrap()];
    let service = Service::start_in(record, &backend("a", &flags, ""), &[]).await;
    let client = open(&service).await;
    let told =
        async || std::fs::read_to_string(&lines).ok()?.contains("notifications/initialized").then_some(());
    eventually("the server asks, and nobody hears it", told).await;
    let mut stream = client.stream().await;
    let asked = stream.message().await.expect("the request waited");
    assert_eq!(asked["method"], "roots/list");
    client.respond(&asked["id"], json!({ "roots": [] })).await;
    let arrived = async || std::fs::read_to_string(&lines).unwrap().contains(r#""roots":[]"#).then_some(());
    eventually("the answer reaches the server", arrived).await;
}

/// A client without a stream of its own would never be asked at all.
#[tokio::test]
async fn a_request_that_waits_is_carried_by_the_next_answer_that_becomes_a_stream() {
    let service = Service::start(&backend("a", &["--request-early"], "")).await;
    let client = open(&service).await;
    let asked = eventually("the request is carried", async || {
        let message = client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 50 } }));
        let messages = client.post(&message).await.messages().await;
        assert!(messages.iter().any(|one| one["id"] == message["id"] && one["result"].is_object()));
        messages.into_iter().find(|one| one["method"] == "roots/list")
    });
    let asked = asked.await;
    client.respond(&asked["id"], json!({ "roots": [] })).await;
}

/// A user who presses stop would wait, and the server work on for nothing.
#[tokio::test]
async fn a_cancel_reaches_the_server_and_its_own_request_only() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = open(&service).await;
    let sleep = |ms: u64| client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": ms } }));
    let (stopped, going_on) = (sleep(60_000), sleep(1500));
    let (cancelled, other, ()) = tokio::join!(client.post(&stopped), client.post(&going_on), async {
        service.in_flight(2).await;
        client
            .notify("notifications/cancelled", json!({ "requestId": stopped["id"], "reason": "enough" }))
            .await;
        service.in_flight(1).await;
    });
    assert_eq!(cancelled.messages().await, [] as [Value; 0], "a cancelled request is not answered");
    assert_eq!(text_of(&other.messages().await[0]), "slept 1500 ms");
    assert_eq!(client.text("cancelled", json!({})).await, "1");
    // Of what is unknown nothing comes of it, and the id is free again.
    client.notify("notifications/cancelled", json!({ "requestId": "unknown" })).await;
    let again = json!({ "jsonrpc": "2.0", "id": stopped["id"], "method": "ping" });
    assert_eq!(client.post(&again).await.messages().await[0]["id"], stopped["id"]);
}

/// A client would go on asking its user for a server that is dead, and the answer go to another.
#[tokio::test]
async fn a_question_of_a_dead_server_is_taken_back_and_a_late_answer_goes_nowhere() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = open(&service).await;
    let pid = client.pid().await;
    let mut stream = client.stream().await;
    let (_, mut reply) = start(&client, "elicit", json!({})).await;
    let asked = reply.message().await.unwrap();
    kill_9(pid);
    let answer = reply.message().await.unwrap();
    assert_eq!(common::code(&answer), -31001, "{answer}");
    let cancel = loop {
        let message = stream.message().await.unwrap();
        if message["method"] == "notifications/cancelled" {
            break message;
        }
    };
    assert_eq!(cancel["params"]["requestId"], asked["id"]);
    client.respond(&asked["id"], json!({ "action": "accept" })).await;
    // The new server counts from one again: the same question has another id for the client.
    let (_, mut reply) = start(&client, "elicit", json!({})).await;
    let again = reply.message().await.unwrap();
    assert_ne!(again["id"], asked["id"]);
    client.respond(&again["id"], json!({ "action": "cancel" })).await;
    assert_eq!(text_of(&reply.message().await.unwrap()), r#"{"action":"cancel"}"#);
}

/// A server that looks whether its client is alive would give up on one that is.
#[tokio::test]
async fn a_ping_of_the_server_is_answered_without_the_client() {
    let service =
        Service::start(&format!("[backends.a]\ncommand = \"sh\"\nargs = [\"-c\", '''{PINGS}''']\n")).await;
    let client = Client::open(&service, "a").await;
    let answered = async || (client.text("alive", json!({})).await == "answered").then_some(());
    eventually("the ping is answered", answered).await;
}

/// A server that pings its client after the handshake; its tool tells whether that was answered.
const PINGS: &str = r#"
state=waiting
while read -r line; do
  id=$(printf %s "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
  case "$line" in
    *initialized*) echo '{"jsonrpc":"2.0","id":"are you there?","method":"ping"}' ;;
    *initialize*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}\n' "$id" ;;
    *tools/call*) printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%s"}]}}\n' "$id" "$state" ;;
    *"are you there?"*result*|*result*"are you there?"*) state=answered ;;
  esac
done
"#;
