//! Whatever message is sent, the answer says what is wrong with it, and nothing is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use common::bystander::{check, nothing_was_lost, world};
use common::{Ask, Client, code};
use serde_json::{Value, json};

/// What a row is answered with: the status, the code of the JSON-RPC error, part of its text.
type Expected = (u16, i64, &'static str);

/// A client in development would be told nothing, or something wrong, of its mistake.
#[tokio::test]
async fn a_body_that_is_no_message_is_refused_with_what_is_wrong() {
    let (service, client) = world().await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep_params = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{deep}}}"#);
    let utf8 =
        [b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"a\":\"\xff\xfe\"}}" as &[u8]];
    let utf8_aside = [b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"aside\":\"\xff\xfe\"}" as &[u8]];
    let rows: Vec<(&str, Vec<u8>, Expected)> = [
        ("nothing", "", (400, -32700, "")),
        ("no JSON", "hello", (400, -32700, "not valid JSON")),
        ("half a message", r#"{"jsonrpc":"2.0","id":1,"#, (400, -32700, "not valid JSON")),
        ("two messages", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}{}", (400, -32700, "")),
        ("trailing comma", r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#, (400, -32700, "")),
        ("deep nesting", &deep, (400, -32600, "batch")),
        ("deep nesting in params, cut", &deep_params, (400, -32700, "")),
        ("a number", "42", (400, -32600, "JSON-RPC")),
        ("null", "null", (400, -32600, "JSON-RPC")),
        ("a string", r#""ping""#, (400, -32600, "JSON-RPC")),
        ("an empty object", "{}", (400, -32600, "jsonrpc")),
        ("no version", r#"{"id":1,"method":"ping"}"#, (400, -32600, "jsonrpc")),
        ("another version", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, (400, -32600, "2.0")),
        ("a version of another type", r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, (400, -32600, "")),
        ("a method of another type", r#"{"jsonrpc":"2.0","id":1,"method":5}"#, (400, -32600, "")),
        ("no method", r#"{"jsonrpc":"2.0","id":1}"#, (400, -32600, "method")),
        ("a null id", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, (400, -32600, "null")),
        ("a fractional id", r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, (400, -32600, "fraction")),
        ("a boolean id", r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, (400, -32600, "id")),
        ("an array as id", r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, (400, -32600, "id")),
        (
            "method and result",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            (400, -32600, "both"),
        ),
        ("result and error", r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, (400, -32600, "both")),
        ("a result without id", r#"{"jsonrpc":"2.0","result":{}}"#, (400, -32600, "id")),
    ]
    .into_iter()
    .map(|(name, body, expected)| (name, body.as_bytes().to_vec(), expected))
    .chain(utf8.into_iter().map(|body| ("invalid UTF-8", body.to_vec(), (400, -32700, ""))))
    .chain(utf8_aside.into_iter().map(|body| ("invalid UTF-8 aside", body.to_vec(), (400, -32700, ""))))
    .collect();
    for (name, body, expected) in rows {
        check(&service, name, client.ask(String::new()).body(body.clone()), expected).await;
        // Without a session it is the same: nothing is launched for what is no message.
        check(&service, name, Ask::mcp("/mcp/beta", body), expected).await;
    }
    nothing_was_lost(service, client).await;
}

/// A typing error in a URL would cost an hour.
#[tokio::test]
async fn an_unknown_backend_is_404_and_the_nearest_name_is_given() {
    let (service, client) = world().await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let body =
        check(&service, "alhpa", Ask::mcp("/mcp/alhpa", initialize.clone()), (404, -32602, "alpha")).await;
    assert!(body["error"]["message"].as_str().unwrap().contains("'alhpa'"), "{body}");
    for method in ["GET", "DELETE"] {
        let reply =
            Ask::new(method, "/mcp/alhpa").header("accept", "text/event-stream").send(&service.main).await;
        assert_eq!(reply.status, 404, "{method}");
    }
    let group = Ask::mcp("/mcp/group/all", initialize).send(&service.main).await;
    assert_eq!(group.status, 404);
    assert!(group.text().await.contains("there are no groups"), "it says what there is");
    nothing_was_lost(service, client).await;
}

/// Two answers would come for one id, and the client could not tell which is which.
#[tokio::test]
async fn an_id_that_is_in_flight_is_refused_and_free_again_afterwards() {
    let (service, client) = world().await;
    let sleep = |ms: u64| {
        json!({ "jsonrpc": "2.0", "id": "same", "method": "tools/call",
            "params": { "name": "sleep", "arguments": { "ms": ms } } })
    };
    let (long, long_answer) =
        (sleep(1500), async |message: &Value| client.post(message).await.messages().await);
    let (first, second) = tokio::join!(long_answer(&long), async {
        service.in_flight(1).await;
        client.post(&sleep(0)).await.messages().await
    });
    assert_eq!((code(&second[0]), &second[0]["id"]), (-32600, &json!("same")), "{second:?}");
    assert_eq!(common::text_of(&first[0]), "slept 1500 ms", "the first one is not disturbed");
    let third = client.post(&sleep(0)).await.messages().await;
    assert_eq!(common::text_of(&third[0]), "slept 0 ms");
    nothing_was_lost(service, client).await;
}

/// Old clients would lose their batches; new ones would send what the protocol no longer knows.
#[tokio::test]
async fn batches_are_for_2025_03_26_only() {
    let (service, client) = world().await;
    let initialize = Client::initialize("2025-03-26", json!({})).to_string();
    let old = Client::open_by(&service, "beta", "", &initialize).await;
    let ping = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
    let echo = json!({ "jsonrpc": "2.0", "id": "e", "method": "tools/call",
        "params": { "name": "echo", "arguments": { "message": "hi" } } });
    let note =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } });

    let reply = old.post(&json!([ping(1), note, echo, ping(2)])).await;
    assert_eq!(reply.status, 200);
    let answers: Vec<Value> = if reply.is_stream() {
        reply.messages().await
    } else {
        serde_json::from_value(reply.json().await).unwrap()
    };
    let mut ids: Vec<String> = answers.iter().map(|answer| answer["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, [r#""e""#, "1", "2"], "{answers:?}");

    let only_notes = old.post(&json!([note, note])).await;
    assert_eq!((only_notes.status, only_notes.text().await.as_str()), (202, ""));

    let start: Value = serde_json::from_str(&initialize).unwrap();
    let refused = [
        ("an empty batch", json!([])),
        ("a batch with initialize", json!([ping(1), start])),
        ("a batch in a batch", json!([[ping(1)]])),
        ("a batch of numbers", json!([1, 2])),
    ];
    for (name, batch) in refused {
        check(&service, name, old.ask(batch.to_string()), (400, -32600, "")).await;
    }
    let later = check(
        &service,
        "a later version",
        client.ask(json!([ping(1)]).to_string()),
        (400, -32600, "2025-03-26"),
    );
    later.await;
    check(&service, "no session", Ask::mcp("/mcp/alpha", json!([ping(1)]).to_string()), (400, -32600, ""))
        .await;
    assert_eq!(old.delete().await, 204);
    common::eventually("it is gone", async || (service.connections().await.len() == 1).then_some(())).await;
    nothing_was_lost(service, client).await;
}

/// Requests that the backend must judge would be judged here, and wrongly.
#[tokio::test]
async fn what_only_the_backend_can_judge_is_passed_on_and_its_errors_come_back() {
    let (service, client) = world().await;
    let unknown = client.request("made/up", json!({ "x": 1 })).await;
    assert_eq!(code(&unknown), -32601);
    assert!(unknown["error"]["data"].is_null(), "only errors of our own carry data: {unknown}");
    assert_eq!(code(&client.call("made_up", json!({})).await), -32602);
    assert_eq!(code(&client.call("refuse", json!({ "code": -32042, "text": "no" })).await), -32042);
    let failed = client.call("fail", json!({ "text": "broken" })).await;
    assert_eq!(failed["result"]["isError"], true);
    assert_eq!(code(&client.request("tools/list", json!({ "cursor": "nonsense" })).await), -32602);
    let odd = r#"{"params":{"arguments":{"message":"\u0068i \ud83d\ude00"},"name":"echo","x":1e30,"y":[0.10,-0]},"id":4711,"jsonrpc":"2.0","method":"tools\/call","extra":{}}"#;
    let answer = client.ask(odd.to_owned()).send(&service.main).await.json().await;
    assert_eq!((answer["id"].as_i64(), common::text_of(&answer).as_str()), (Some(4711), "hi \u{1f600}"));
    nothing_was_lost(service, client).await;
}
