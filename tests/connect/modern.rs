use rustix::process::Signal;
use serde_json::{Value, json};

use super::common::{Service, backend, code, fixture, text_of};
use super::launched::Launched;

fn request(id: Value, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The service refuses requests of this era whose headers do not repeat their body, and a client on stdio has none.
#[tokio::test]
async fn requests_without_a_session_are_answered() {
    let mut service = Service::start(&backend("b", &["--crash-tool"], "")).await;
    let mut client = Launched::to(&service, "b");
    client.say(&request(json!("d"), "server/discover", json!({}))).await;
    let discovered = client.next().await;
    assert_eq!(discovered["id"], "d");
    assert!(discovered["result"]["supportedVersions"].is_array(), "{discovered}");
    let echo = json!({ "name": "echo", "arguments": { "message": "hi" } });
    client.say(&request(json!(1), "tools/call", echo.clone())).await;
    assert_eq!(text_of(&client.answer(1).await), "hi");
    client.say(&request(json!(2), "tools/call", json!({ "name": "crash", "arguments": {} }))).await;
    assert_eq!(code(&client.answer(2).await), -31001);
    service.signal(Signal::KILL);
    service.start_again().await;
    client.say(&request(json!(3), "tools/call", echo)).await;
    assert_eq!(text_of(&client.answer(3).await), "hi");
    client.close_stdin();
    assert!(client.ended().await.success());
}

/// In this era the end of its stream takes a request back.
#[tokio::test]
async fn a_cancelled_request_is_taken_back_and_not_answered() {
    let service = Service::start(&backend("b", &["--no-answer"], "")).await;
    let mut client = Launched::to(&service, "b");
    client.say(&request(json!(1), "tools/call", json!({ "name": "silent", "arguments": {} }))).await;
    service.in_flight(1).await;
    let params = json!({ "requestId": 1 });
    client.say(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    service.in_flight(0).await;
    client.say(&request(json!(2), "tools/list", json!({}))).await;
    assert_eq!(client.next().await["id"], 2);
}

/// A client would not know which of its subscriptions something belongs to, and an open one would keep it from ending.
#[tokio::test]
async fn what_is_listened_to_is_named_by_the_clients_own_id() {
    let service = Service::start(&backend("b", &[], "")).await;
    let mut client = Launched::to(&service, "b");
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    client.say(&request(json!("ears"), "subscriptions/listen", wanted)).await;
    let named =
        |message: &Value| message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "ears";
    client.until(named).await;
    client.say(&request(json!(2), "tools/call", json!({ "name": "change_tools", "arguments": {} }))).await;
    let heard = client.until(|message| message["method"] == "notifications/tools/list_changed").await;
    assert!(named(&heard), "{heard}");
    client.close_stdin();
    assert!(client.ended().await.success());
}

/// A tool whose headers repeat its arguments would be refused, to a client that cannot send any.
#[tokio::test]
async fn headers_that_repeat_arguments_are_sent_for_who_has_not_listed_the_tools() {
    let command = fixture();
    let config = format!(
        "[backends.m]\ncommand = {:?}\nargs = [\"conformance\", \"--stdio\", \"--era\", \"modern\"]\n",
        command.to_str().unwrap()
    );
    let service = Service::start(&config).await;
    let mut client = Launched::to(&service, "m");
    for id in 1..=2 {
        let params = json!({ "name": "test_custom_headers", "arguments": { "region": "日本" } });
        client.say(&request(id.into(), "tools/call", params)).await;
        let answer = client.answer(id).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
}
