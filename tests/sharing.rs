//! `isolation = "shared"` and `"principal"`: one process for many sessions, and nobody hears what is another's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::Duration;

use common::{Client, Reply, Service, all, backend, code, eventually, exists, kill_9, reason, text_of};
use serde_json::{Value, json};

/// What nobody is to hear would have come by then.
const SILENCE: Duration = Duration::from_millis(300);

async fn shared(settings: &str) -> (Service, Client, Client) {
    let service = Service::start(&backend("a", &[], &format!("isolation = \"shared\"\n{settings}"))).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    (service, one, other)
}

/// A call with an id and a progress token of one's own.
fn call(id: Value, tool: &str, arguments: Value, token: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": token } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

async fn handshake(client: &Client) -> Value {
    client.known("handshake").await
}

/// A session would get the answer or the progress of another one that happens to use the same id.
#[tokio::test]
async fn sessions_with_the_same_ids_and_tokens_get_their_own_answers() {
    let (_service, one, other) = shared("").await;
    assert_eq!(one.pid().await, other.pid().await);
    let steps = |steps| json!({ "steps": steps, "ms": 20 });
    let (first, second) = (
        call(json!("same"), "progress", steps(3), json!("token")),
        call(json!("same"), "progress", steps(5), json!("token")),
    );
    let (first, second) = tokio::join!(one.post(&first), other.post(&second));
    let (first, second) = tokio::join!(first.messages(), second.messages());
    for (messages, steps) in [(first, 3), (second, 5)] {
        let (answer, progress) = messages.split_last().unwrap();
        assert_eq!((&answer["id"], text_of(answer)), (&json!("same"), format!("{steps} steps")));
        assert!(progress.iter().all(|one| one["params"]["progressToken"] == "token"), "{progress:?}");
        assert!(progress.iter().all(|one| one["params"]["total"] == steps), "another's: {progress:?}");
        assert!(!progress.is_empty());
    }
    let number = one.post(&call(json!(7), "progress", steps(1), json!(9007199254740991_i64))).await;
    let messages = number.messages().await;
    assert_eq!(messages[0]["params"]["progressToken"], 9007199254740991_i64, "the type stays: {messages:?}");
}

/// One session would cancel the call of another.
#[tokio::test]
async fn a_cancel_meets_the_call_of_its_own_session() {
    let (service, one, other) = shared("").await;
    let sleep = |ms| call(json!(5), "sleep", json!({ "ms": ms }), json!(1));
    let (kept, cancelled) = (sleep(1500), sleep(60_000));
    let (kept, _, ()) = tokio::join!(one.post(&kept), other.post(&cancelled), async {
        service.in_flight(2).await;
        other.notify("notifications/cancelled", json!({ "requestId": 5 })).await;
    });
    assert_eq!(text_of(&kept.messages().await.pop().unwrap()), "slept 1500 ms");
    assert_eq!(one.text("cancelled", json!({})).await, "1");
}

/// A session would lose its subscription to another's unsubscribe, or hear of resources that it never asked for.
#[tokio::test]
async fn subscriptions_are_counted_by_session() {
    let (service, one, other) = shared("").await;
    let third = Client::open(&service, "a").await;
    let mut streams = [one.stream().await, other.stream().await, third.stream().await];
    for client in [&one, &other] {
        assert!(client.request("resources/subscribe", json!({ "uri": "x://1" })).await["result"].is_object());
    }
    third.text("touch", json!({ "uri": "x://1" })).await;
    for stream in &mut streams[..2] {
        assert_eq!(stream.message().await.unwrap()["params"]["uri"], "x://1");
    }
    assert_eq!(streams[2].message_within(SILENCE).await, None, "it did not subscribe");
    assert!(one.request("resources/unsubscribe", json!({ "uri": "x://1" })).await["result"].is_object());
    assert_eq!(third.text("touch", json!({ "uri": "x://1" })).await, "announced");
    assert_eq!(streams[1].message().await.unwrap()["params"]["uri"], "x://1");
    assert_eq!(streams[0].message_within(SILENCE).await, None, "it has unsubscribed");
    other.delete().await;
    let unsubscribed = async || (handshake(&third).await["subscribed"] == json!([])).then_some(());
    eventually("the last one's end takes the subscription along", unsubscribed).await;
}

/// A session would be flooded with the debug log that another one asked for.
#[tokio::test]
async fn each_session_hears_the_log_level_that_it_asked_for() {
    let (_service, one, other) = shared("").await;
    one.request("logging/setLevel", json!({ "level": "debug" })).await;
    other.request("logging/setLevel", json!({ "level": "error" })).await;
    assert_eq!(handshake(&one).await["log_level"], "debug", "the backend serves the most curious");
    let log = |level: &str| json!({ "level": level, "text": "said" });
    let said = async |client: &Client, level: &str| {
        let message = client.message("tools/call", json!({ "name": "log", "arguments": log(level) }));
        client.post(&message).await.messages().await.len() == 2
    };
    assert!(said(&one, "debug").await && said(&one, "error").await);
    assert!(!said(&other, "info").await && said(&other, "error").await);
}

async fn ask(client: &Client, tool: &str) -> Reply {
    client.post(&client.message("tools/call", json!({ "name": tool, "arguments": {} }))).await
}

/// The user of one session would be asked what concerns another.
#[tokio::test]
async fn a_question_that_may_be_anybodys_is_asked_nobody() {
    let (service, one, other) =
        shared("client_profile = { capabilities = { sampling = {}, roots = {} } }").await;
    let mut reply = ask(&one, "sample").await;
    let asked = reply.message().await.unwrap();
    assert_eq!(asked["method"], "sampling/createMessage");
    other.respond(&asked["id"], json!({ "model": "forged", "role": "assistant" })).await;
    one.respond(&asked["id"], json!({ "model": "own", "role": "assistant" })).await;
    let answer = text_of(&reply.message().await.unwrap());
    assert!(answer.contains("own") && !answer.contains("forged"), "{answer}");

    let (_, answered) = tokio::join!(other.call("sleep", json!({ "ms": 1000 })), async {
        service.in_flight(1).await;
        ask(&one, "sample").await.messages().await
    });
    assert_eq!(answered.len(), 1, "nobody was asked: {answered:?}");
    assert!(text_of(&answered[0]).contains("cannot be told"), "{answered:?}");
}

/// A crash would cost one of the sessions its connection, its level or its subscriptions.
#[tokio::test]
async fn all_sessions_survive_a_crash_and_what_they_want_is_replayed() {
    let (service, one, other) = shared("retry = \"never\"").await;
    one.request("logging/setLevel", json!({ "level": "info" })).await;
    other.request("resources/subscribe", json!({ "uri": "x://2" })).await;
    let before = one.pid().await;
    let sleep = json!({ "ms": 60_000 });
    let (first, second, ()) =
        tokio::join!(one.call("sleep", sleep.clone()), other.call("sleep", sleep), async {
            service.in_flight(2).await;
            kill_9(before);
        });
    for lost in [first, second] {
        assert_eq!((code(&lost), reason(&lost)), (-31001, "signal"), "{lost}");
    }
    let after = one.pid().await;
    assert!(after != before && other.pid().await == after);
    let replayed = handshake(&one).await;
    assert_eq!((&replayed["log_level"], &replayed["subscribed"]), (&json!("info"), &json!(["x://2"])));
    let mut stream = other.stream().await;
    one.text("touch", json!({ "uri": "x://2" })).await;
    let updated = async |stream: &mut Reply| loop {
        let message = stream.message().await.unwrap();
        if message["method"] == "notifications/resources/updated" {
            return message["params"]["uri"].clone();
        }
    };
    assert_eq!(updated(&mut stream).await, "x://2");
    let connections = service.connections().await;
    assert_eq!((connections.len(), &connections[0]["session"]), (1, &json!("shared")), "{connections:?}");
}

/// The end of one session would end another, or leave its calls running.
#[tokio::test]
async fn a_session_that_ends_takes_only_its_own_calls_along() {
    let (service, one, other) = shared("").await;
    let pid = one.pid().await;
    let (ended, kept, ()) = tokio::join!(
        one.call("sleep", json!({ "ms": 60_000 })),
        other.call("sleep", json!({ "ms": 1500 })),
        async {
            service.in_flight(2).await;
            one.delete().await;
        }
    );
    assert_eq!((code(&ended), reason(&ended)), (-31007, "delete"), "{ended}");
    assert_eq!(text_of(&kept), "slept 1500 ms");
    assert_eq!(other.pid().await, pid);
    assert_eq!(other.text("cancelled", json!({})).await, "1");
    assert_eq!(one.ask(one.message("ping", json!({})).to_string()).send(&service.main).await.status, 404);
}

/// A session with many calls would make all others wait for all of them.
#[tokio::test]
async fn sessions_take_turns() {
    let (service, one, other) = shared("limits.max_in_flight_total = 2").await;
    let many = all((0..20).map(|_| async {
        one.text("sleep", json!({ "ms": 100 })).await;
        std::time::Instant::now()
    }));
    let (times, turn) = tokio::join!(many, async {
        eventually("they wait", async || {
            let connections = service.connections().await;
            (connections[0]["queued"].as_u64().unwrap() >= 12).then_some(())
        })
        .await;
        other.text("sleep", json!({ "ms": 100 })).await;
        std::time::Instant::now()
    });
    let after = times.iter().filter(|time| **time > turn).count();
    assert!(after >= 8, "only {after} of 20 came after it");
}

/// What an idle clean-up takes away would not come back for every session.
#[tokio::test]
async fn an_evicted_connection_comes_back_for_all_its_sessions() {
    let (service, one, other) =
        shared("pool.idle_timeout = \"300ms\"\npool.cleanup_interval = \"100ms\"").await;
    other.request("resources/subscribe", json!({ "uri": "x://3" })).await;
    let before = one.pid().await;
    eventually("it is evicted", async || (!exists(before)).then_some(())).await;
    assert_ne!(one.pid().await, before);
    assert_eq!(handshake(&one).await["subscribed"], json!(["x://3"]));
    assert!(!other.call("echo", json!({ "message": "x" })).await["result"].is_null());
    drop(service);
}

/// One user's session would run in the process of another user.
#[tokio::test]
async fn principals_have_processes_of_their_own() {
    let key = |id: &str, key: &str| {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(key.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{ id = \"{id}\", sha256 = \"{hex}\" }}")
    };
    let auth = format!("[auth]\nkeys = [{}, {}]\n", key("alice", "key-of-alice"), key("bob", "key-of-bob"));
    let config = auth + &backend("a", &[], "isolation = \"principal\"");
    let service = Service::start(&config).await;
    let open = async |key: &str| Client::open_with(&service, "a", key, json!({})).await;
    let (alice, again, bob) =
        (open("key-of-alice").await, open("key-of-alice").await, open("key-of-bob").await);
    let (first, second, other) = (alice.pid().await, again.pid().await, bob.pid().await);
    assert!(first == second && first != other);
    let connections = service.connections().await;
    assert_eq!(connections.len(), 2, "{connections:?}");
    let shown = serde_json::to_string(&connections).unwrap();
    assert!(!shown.contains("alice") && !shown.contains("bob"), "{shown}");
}

/// The log level of a session that has ended would flood all others for ever.
#[tokio::test]
async fn a_log_level_ends_with_its_session() {
    let (_service, one, other) = shared("").await;
    one.request("logging/setLevel", json!({ "level": "debug" })).await;
    assert_eq!(handshake(&other).await["log_level"], "debug");
    one.delete().await;
    let lowered = async || (handshake(&other).await["log_level"] == "warning").then_some(());
    eventually("the backend is told", lowered).await;
}

/// What a session wanted that ended while there was no process would be replayed for ever.
#[tokio::test]
async fn a_subscription_ends_with_its_session_even_while_nothing_runs() {
    let (service, one, other) =
        shared("pool.idle_timeout = \"300ms\"\npool.cleanup_interval = \"100ms\"").await;
    one.request("resources/subscribe", json!({ "uri": "x://4" })).await;
    other.request("resources/subscribe", json!({ "uri": "x://5" })).await;
    let gone = async || service.connections().await.is_empty().then_some(());
    eventually("it is evicted", gone).await;
    one.delete().await;
    assert_eq!(handshake(&other).await["subscribed"], json!(["x://5"]));
}
