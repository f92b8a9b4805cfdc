//! What backends ask and tell of their own accord.

use super::*;
use common::text_of;

/// One server would get the answer that was for the other.
#[tokio::test]
async fn two_backends_that_ask_at_once_get_their_own_answers() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    let call = |tool: &str, arguments: Value| {
        client.message("tools/call", json!({ "name": tool, "arguments": arguments }))
    };
    let (one, other) =
        (call("a__elicit", json!({ "message": "a?" })), call("b__sample", json!({ "prompt": "b?" })));
    let (mut one, mut other) = (client.post(&one).await, client.post(&other).await);
    let (of_a, of_b) = (one.message().await.unwrap(), other.message().await.unwrap());
    assert_eq!(
        (&of_a["method"], &of_b["method"]),
        (&json!("elicitation/create"), &json!("sampling/createMessage"))
    );
    assert_ne!(of_a["id"], of_b["id"], "both count from one");
    client.respond(&of_b["id"], json!({ "model": "for b", "role": "assistant" })).await;
    client.respond(&of_a["id"], json!({ "action": "accept", "content": { "name": "for a" } })).await;
    assert!(text_of(&one.message().await.unwrap()).contains("for a"));
    assert!(text_of(&other.message().await.unwrap()).contains("for b"));
}

/// Some servers ask for roots before anything else, and wait.
#[tokio::test]
async fn what_a_backend_asks_of_its_own_accord_reaches_the_stream() {
    let config = backend("a", &["--request-early"], "") + &backend("b", &["--request-early"], "");
    let service = Service::start(&config).await;
    let client = open(&service, ALL).await;
    let mut stream = client.stream().await;
    let (one, other) = (hears(&mut stream, "roots/list").await, hears(&mut stream, "roots/list").await);
    assert_ne!(one["id"], other["id"]);
    for id in [&one["id"], &other["id"]] {
        client.respond(id, json!({ "roots": [] })).await;
    }
}

/// A client would go on with an old list.
#[tokio::test]
async fn a_changed_list_of_any_backend_is_told_and_a_lost_stream_resumes() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    let mut stream = client.stream().await;
    client.text("a__change_tools", json!({})).await;
    hears(&mut stream, "notifications/tools/list_changed").await;
    let last = stream.last_event_id.clone().unwrap();
    client.text("b__change_tools", json!({})).await;
    drop(stream);
    let ask = client.credentials(Ask::new("GET", "/mcp")).header("accept", "text/event-stream");
    let mut resumed = ask.header("last-event-id", &last).send(&service.main).await;
    hears(&mut resumed, "notifications/tools/list_changed").await;
}
