//! Requests, each to its backend.

use super::*;
use common::{code, text_of};

/// The same call would have another answer than on the server's own endpoint.
#[tokio::test]
async fn a_call_reaches_the_backend_that_its_name_says_as_it_would_alone() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    for _ in 0..2 {
        client.text("a__counter", json!({})).await;
    }
    assert_eq!(client.text("a__counter", json!({})).await, "3");
    assert_eq!(client.text("b__counter", json!({})).await, "1");
    let handshake = client.known("a__handshake").await;
    assert!(handshake["initialize"].as_str().unwrap().contains(r#""name":"test""#), "the client's own");
    assert_eq!(handshake["initialized_count"], 1);
    let failed = client.call("b__fail", json!({ "text": "no" })).await;
    assert_eq!(failed["result"]["isError"], true);
    let refused = client.call("b__refuse", json!({ "code": -32050, "text": "no", "data": { "x": 1 } })).await;
    assert_eq!((code(&refused), &refused["error"]["data"]["x"]), (-32050, &json!(1)));
    let prompt = client.request("prompts/get", json!({ "name": "a__greet" })).await;
    assert!(prompt["result"]["messages"].is_array(), "{prompt}");
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
}

/// A model that misremembers a name would try again and again.
#[tokio::test]
async fn a_name_that_nobody_has_is_refused_with_the_nearest() {
    let service = Service::start(&(backend("memory", &[], "") + &backend("time", &[], ""))).await;
    let client = open(&service, ALL).await;
    let wrong = |answer: Value| (code(&answer), answer["error"]["message"].as_str().unwrap().to_owned());
    let (code, text) = wrong(client.call("tme__echo", json!({})).await);
    assert!(code == -32602 && text.contains("time__echo"), "{code} {text}");
    let (code, text) = wrong(client.call("echo", json!({})).await);
    assert!(code == -32602 && text.contains("memory, time"), "{code} {text}");
    let (code, text) = wrong(client.request("prompts/get", json!({ "name": "x__greet" })).await);
    assert!(code == -32602 && text.contains("unknown prompt"), "{code} {text}");
    let (code, _) = wrong(client.call("time__nothing", json!({})).await);
    assert_eq!(code, -32602, "what the backend itself does not know");
    let (code, _) = wrong(client.request("tasks/list", json!({})).await);
    assert_eq!(code, -32601);
}

/// Two requests of one id would get each other's answer.
#[tokio::test]
async fn an_id_is_one_requests_whichever_backend_has_it() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    let slow = json!({ "jsonrpc": "2.0", "id": 77, "method": "tools/call",
        "params": { "name": "a__sleep", "arguments": { "ms": 60_000 } } });
    let asking = client.post(&slow);
    let again = async {
        service.in_flight(1).await;
        let other = json!({ "jsonrpc": "2.0", "id": 77, "method": "tools/call",
            "params": { "name": "b__echo", "arguments": { "message": "x" } } });
        let refused = client.post(&other).await.json().await;
        client.notify("notifications/cancelled", json!({ "requestId": 77 })).await;
        refused
    };
    let (taken_back, refused) = tokio::join!(asking, again);
    assert_eq!(code(&refused), -32600, "{refused}");
    assert_eq!(taken_back.status, 202, "a request that was taken back is not answered");
    assert_eq!(client.text("a__cancelled", json!({})).await, "1", "its backend was told");
    assert_eq!(client.text("b__cancelled", json!({})).await, "0");
    let after = json!({ "jsonrpc": "2.0", "id": 77, "method": "tools/call",
        "params": { "name": "b__echo", "arguments": { "message": "x" } } });
    assert_eq!(text_of(&client.post(&after).await.json().await), "x", "the id is free again");
}

/// Progress and log lines of two servers could not be told apart.
#[tokio::test]
async fn log_lines_say_whose_they_are_and_progress_keeps_its_token() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    assert_eq!(client.request("logging/setLevel", json!({ "level": "info" })).await["result"], json!({}));
    let call = client
        .message("tools/call", json!({ "name": "b__log", "arguments": { "level": "info", "text": "x" } }));
    let messages = client.post(&call).await.messages().await;
    assert_eq!(messages[0]["params"]["logger"], "b/fixture", "{messages:?}");
    let arguments = json!({ "level": "debug", "text": "x" });
    let call = client.message("tools/call", json!({ "name": "a__log", "arguments": arguments }));
    assert_eq!(client.post(&call).await.messages().await.len(), 1, "every backend knows the level");
    let call = client.message(
        "tools/call",
        json!({ "name": "a__progress", "arguments": { "steps": 2, "ms": 1 }, "_meta": { "progressToken": "t" } }),
    );
    let messages = client.post(&call).await.messages().await;
    assert_eq!(messages[0]["params"]["progressToken"], "t", "{messages:?}");
    let wrong = client.request("logging/setLevel", json!({ "level": "loud" })).await;
    assert_eq!(code(&wrong), -32602);
}

/// A backend launched after the level was set would flood the client, or never say a word.
#[tokio::test]
async fn a_backend_that_comes_later_is_told_what_the_others_know() {
    let service = Service::start(&two("")).await;
    drop(open(&service, ALL).await);
    let client = open(&service, ALL).await;
    client.request("logging/setLevel", json!({ "level": "error" })).await;
    client.text("a__echo", json!({})).await;
    eventually("the level", async || {
        (client.known("a__handshake").await["log_level"] == "error").then_some(())
    })
    .await;
    assert_eq!(client.known("a__handshake").await["initialized_count"], 1);
}

/// Clients of 2025-03-26 send several at once.
#[tokio::test]
async fn a_batch_may_concern_several_backends() {
    let service = Service::start(&two("")).await;
    let initialize = Client::initialize("2025-03-26", json!({})).to_string();
    let client = Client::open_by(&service, ALL, "", &initialize).await;
    let call = |id: u32, tool: &str| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": tool, "arguments": { "message": tool } } })
    };
    let batch = json!([call(1, "a__echo"), call(2, "b__echo"), { "jsonrpc": "2.0", "id": 3, "method": "tools/list" }]);
    let answers = client.post(&batch).await.messages().await;
    let answers = answers.iter().flat_map(|answer| match answer.as_array() {
        Some(several) => several.clone(),
        None => vec![answer.clone()],
    });
    let mut answers: Vec<Value> = answers.collect();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!((text_of(&answers[0]), text_of(&answers[1])), ("a__echo".into(), "b__echo".into()));
    assert!(answers[2]["result"]["tools"].is_array());
}

/// An operator could not see which server is slow.
#[tokio::test]
async fn operations_are_counted_for_the_backend_that_worked() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    client.text("b__echo", json!({ "message": "x" })).await;
    let page = service.metrics().await;
    let line = page.lines().find(|line| {
        line.starts_with("mcp_server_operation_duration_seconds_count") && line.contains("tools/call")
    });
    let line = line.unwrap_or_else(|| panic!("nothing was counted: {page}"));
    assert!(line.contains("backend=\"b\""), "{line}");
    client.request("resources/read", json!({ "uri": "b://one" })).await;
    let page = service.metrics().await;
    let read =
        page.lines().find(|line| line.contains("resources/read") && line.contains("duration_seconds_count"));
    assert!(read.is_some_and(|line| line.contains("backend=\"b\"")), "whose it is was found out: {read:?}");
    assert!(page.contains("route=\"mcp_unified\""));
    assert!(
        page.lines().any(|line| line.starts_with("mcpvisor_sessions{backend=\"*\"}") && line.ends_with(" 1"))
    );
}
