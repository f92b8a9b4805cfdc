//! Backends over HTTP, of either era.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Modern;
use crate::common::{Conforming, Service, code, eventually, text_of};

/// Over HTTP the stream tells which call a question is about: refusing it would fail every second user.
#[tokio::test]
async fn questions_of_several_calls_at_once_are_told_apart_by_their_streams() {
    let upstream = Conforming::start("127.0.0.1:0", "legacy");
    let service = Service::start(&upstream.backend("")).await;
    let client = Modern::new(&service, "u");
    let (one, other) = ("test_input_required_result_elicitation", "test_input_required_result_sampling");
    let slow = client.call("test_sleep", json!({ "ms": 1500 }));
    let (slept, first, second) =
        tokio::join!(slow, client.asked(one, json!({})), client.asked(other, json!({})));
    assert_eq!(text_of(&slept.1), "Slept");
    assert!(
        first.0["user_name"].is_object() && second.0["capital_question"].is_object(),
        "{first:?} {second:?}"
    );
    let paris = json!({ "role": "assistant", "content": { "type": "text", "text": "Paris" }, "model": "m" });
    let (_, done) = client.answer(other, json!({}), json!({ "capital_question": paris }), &second.1).await;
    assert!(text_of(&done).contains("Paris"), "{done}");
    let ann = json!({ "user_name": { "action": "accept", "content": { "name": "Ann" } } });
    let (_, done) = client.answer(one, json!({}), ann, &first.1).await;
    assert!(text_of(&done).contains("Ann"), "{done}");
}

/// An upstream that is restarted would leave its clients with streams on which nothing comes any more.
#[tokio::test]
async fn streams_and_calls_survive_an_upstream_that_comes_back() {
    for era in ["modern", "legacy"] {
        let mut upstream = Conforming::start("127.0.0.1:0", era);
        let settings = "backoff.min = \"50ms\"\nbackoff.max = \"100ms\"\npool.max_error_count = 1000";
        let service = Service::start(&upstream.backend(settings)).await;
        let client = Modern::new(&service, "u");
        let uri = "test://watched-resource";
        let (id, mut stream) =
            client.listen(json!({ "toolsListChanged": true, "resourceSubscriptions": [uri] })).await;
        let first = stream.message().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{era}: {first}");
        let address = upstream.address();
        upstream.end();
        upstream = Conforming::start(&address, era);
        eventually("calls are served again", async || {
            let (_, answer) = client.call("test_simple_text", json!({})).await;
            answer["result"].is_object().then_some(())
        })
        .await;
        // It says when it is there again that everything may have changed, and then tells of what does.
        let changed = stream.message().await.unwrap();
        assert_eq!(changed["method"], "notifications/tools/list_changed", "{era}");
        let heard = async {
            loop {
                let message: Value = stream.message().await.unwrap();
                assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id, "{era}");
                if message["method"] == "notifications/resources/updated" {
                    return message["params"]["uri"].clone();
                }
            }
        };
        let change = async {
            client.text("test_trigger_resource_change", json!({})).await;
        };
        assert_eq!(tokio::join!(heard, change).0, uri, "{era}");
        drop(upstream);
    }
}

/// A client that has gone would leave its work running at the upstream.
#[tokio::test]
async fn a_client_that_closes_its_connection_closes_that_to_the_upstream() {
    for era in ["modern", "legacy"] {
        let upstream = Conforming::start("127.0.0.1:0", era);
        let service = Service::start(&upstream.backend("")).await;
        let client = Modern::new(&service, "u");
        client.text("test_simple_text", json!({})).await;
        let message =
            client.message("tools/call", json!({ "name": "test_sleep", "arguments": { "ms": 600_000 } }));
        let gone = tokio::time::timeout(Duration::from_millis(500), client.post(&message)).await;
        assert!(gone.is_err(), "{era}");
        service.in_flight(0).await;
        assert_eq!(
            client.text("test_simple_text", json!({})).await,
            "This is a simple text response for testing."
        );
    }
}

/// A proxy between would decide by a header that says something else than the tool is told.
#[tokio::test]
async fn headers_that_repeat_arguments_are_checked_and_passed_on() {
    let upstream = Conforming::start("127.0.0.1:0", "modern");
    let others = ["modern", "legacy"].map(|era| crate::common::conforming(era, era, "")).concat();
    let service = Service::start(&(upstream.backend("") + &others)).await;
    for name in ["u", "modern", "legacy"] {
        let client = Modern::new(&service, name);
        let call = async |region: Value, header: Option<&str>| {
            let params = json!({ "name": "test_custom_headers", "arguments": { "region": region } });
            let ask = client.ask(&client.message("tools/call", params));
            let reply = ask.header("mcp-param-region", header.unwrap_or_default()).send(&service.main).await;
            (reply.status, code(&reply.json().await))
        };
        let north = || json!("north");
        assert_eq!(call(north(), Some("north")).await, (200, 0), "{name}");
        assert_eq!(call(north(), Some("=?base64?bm9ydGg=?=")).await, (200, 0), "{name}");
        assert_eq!(call(north(), None).await, (400, -32020), "{name}: missing");
        assert_eq!(call(north(), Some("south")).await, (400, -32020), "{name}: another");
        assert_eq!(call(Value::Null, None).await, (200, 0), "{name}: none to repeat");
        assert_eq!(call(json!("日本"), Some("=?base64?5pel5pys?=")).await, (200, 0), "{name}: no ASCII");
    }
}
