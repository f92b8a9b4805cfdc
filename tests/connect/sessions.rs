use serde_json::json;

use super::common::{Service, backend, code, eventually, reason, text_of};
use super::launched::Launched;

/// A client would take a number for another, or look for an id that it never gave.
#[tokio::test]
async fn a_message_keeps_its_bytes_and_its_id() {
    let service = Service::start(&backend("b", &[], "")).await;
    let mut client = Launched::opened(&service, "b", json!({})).await;
    let handshake = "\"id\":123456789012345678901234567890";
    client.line(&format!("{{\"jsonrpc\":\"2.0\",{handshake},\"method\":\"ping\"}}")).await;
    let line = client.next_line().await.unwrap();
    assert!(line.contains(handshake), "{line}");
    let told = r#"{"z":1.0,"a":-0,"big":123456789012345678901234567890,"u":"\u00e4","e":1e2}"#;
    client.line(&format!(r#"{{"method":"initialize","jsonrpc":"2.0","id":"x","params":{told}}}"#)).await;
    assert_eq!(client.next().await["id"], "x");
    client.call(3, "handshake", json!({})).await;
    let known: serde_json::Value = serde_json::from_str(&text_of(&client.answer(3).await)).unwrap();
    let seen = known["initialize"].as_str().unwrap();
    assert!(seen.contains(told), "{seen}");
}

/// Tools that ask their user something, or report how far they are, would hang or seem to.
#[tokio::test]
async fn questions_and_progress_come_through_while_other_calls_are_answered() {
    let service = Service::start(&backend("b", &[], "")).await;
    let mut client = Launched::opened(&service, "b", json!({ "elicitation": {} })).await;
    client.call(1, "elicit", json!({ "message": "name?" })).await;
    let question = client.until(|message| message["method"] == "elicitation/create").await;
    client.call(2, "echo", json!({ "message": "meanwhile" })).await;
    assert_eq!(text_of(&client.answer(2).await), "meanwhile");
    let accepted = json!({ "action": "accept", "content": { "name": "Ada" } });
    client.say(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": accepted })).await;
    assert!(text_of(&client.answer(1).await).contains("Ada"));
    let params = json!({ "name": "progress", "arguments": { "steps": 3, "ms": 5 },
                         "_meta": { "progressToken": "p-1" } });
    client.say(&json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params })).await;
    for step in 0..=3 {
        let said = client.next().await;
        assert_eq!(said["params"], json!({ "progressToken": "p-1", "progress": step, "total": 3 }), "{said}");
    }
    assert_eq!(text_of(&client.answer(3).await), "3 steps");
    client.call(4, "change_tools", json!({})).await;
    client.until(|message| message["method"] == "notifications/tools/list_changed").await;
}

/// A long call that nobody wants any more would go on.
#[tokio::test]
async fn a_cancelled_call_is_taken_back_at_the_server_and_not_answered() {
    let service = Service::start(&backend("b", &["--no-answer"], "")).await;
    let mut client = Launched::opened(&service, "b", json!({})).await;
    client.call(1, "silent", json!({})).await;
    service.in_flight(1).await;
    let params = json!({ "requestId": 1 });
    client.say(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    service.in_flight(0).await;
    client.call(2, "cancelled", json!({})).await;
    let next = client.next().await;
    assert_eq!((&next["id"], text_of(&next)), (&json!(2), "1".to_owned()));
}

/// The session would be over for a client that knows no other way back than to be started again.
#[tokio::test]
async fn a_crash_of_the_backend_costs_the_call_and_not_the_session() {
    let service = Service::start(&backend("b", &["--crash-tool"], "")).await;
    let mut client = Launched::opened(&service, "b", json!({})).await;
    client.call(1, "crash", json!({ "code": 3 })).await;
    let lost = client.answer(1).await;
    assert_eq!((code(&lost), reason(&lost)), (-31001, "exit"), "{lost}");
    client.call(2, "echo", json!({ "message": "on" })).await;
    assert_eq!(text_of(&client.answer(2).await), "on");
}

/// What is no message would end the bridge, or be answered by nobody.
#[tokio::test]
async fn lines_that_are_no_messages_are_answered_as_json_rpc_says() {
    let service = Service::start(&backend("b", &[], "")).await;
    let mut client = Launched::opened(&service, "b", json!({})).await;
    client.line("{oops").await;
    assert_eq!(code(&client.next().await), -32700);
    client.line(r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#).await;
    assert_eq!(code(&client.next().await), -32600);
    client.line(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#).await;
    assert_eq!(client.answer(9).await["result"], json!({}));
}

/// A key on the command line can be read by everybody on the machine.
#[tokio::test]
async fn the_key_comes_from_the_environment() {
    let auth = "[auth]\nkeys = [{ id = \"me\", env = \"KEY_OF_ME\" }]\n";
    let folder = tempfile::TempDir::new().unwrap();
    let config = format!("{auth}{}", backend("b", &[], ""));
    let service = Service::start_with(folder, &config, &[], &[("KEY_OF_ME", "s3cret-s3cret-s3cret")]).await;
    let (state, url) = (service.path("state"), format!("http://{}/mcp/b", service.main));
    let arguments = ["b", "--state-dir", state.to_str().unwrap()];
    let mut client = Launched::with(&arguments, &[("MCPVISOR_KEY", "s3cret-s3cret-s3cret")]);
    client.handshake(json!({})).await;
    let mut refused = Launched::with(&["--url", &url], &[("MCPVISOR_KEY", "wrong")]);
    refused.say(&super::common::Client::initialize("2025-11-25", json!({}))).await;
    assert!(refused.answer(0).await["error"]["message"].as_str().unwrap().contains("not valid"));
    refused.close_stdin();
    assert!(refused.ended().await.success());
    let said = refused.complaints().await;
    assert!(said.contains("MCPVISOR_KEY") && !said.contains("wrong"), "{said}");
}

/// Sessions that nobody ends pile up at the service.
#[tokio::test]
async fn the_session_ends_with_its_client() {
    let service = Service::start(&backend("b", &[], "")).await;
    let mut client = Launched::opened(&service, "b", json!({})).await;
    assert_eq!(service.metric("mcpvisor_sessions{backend=\"b\"}").await, 1.0);
    client.close_stdin();
    assert!(client.ended().await.success());
    let gone = async || (service.metric("mcpvisor_sessions{backend=\"b\"}").await == 0.0).then_some(());
    eventually("the session is ended", gone).await;
}
