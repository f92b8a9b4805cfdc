use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::common::{Service, backend, code, eventually, text_of};
use super::launched::Launched;

async fn known(client: &mut Launched, id: u64) -> Value {
    client.call(id, "handshake", json!({})).await;
    serde_json::from_str(&text_of(&client.answer(id).await)).unwrap()
}

/// Every client would have to be started again by hand whenever the service is.
#[tokio::test]
async fn a_restart_of_the_service_costs_what_was_in_flight_and_nothing_else() {
    let mut service = Service::start(&backend("b", &["--no-answer"], "")).await;
    let mut client = Launched::opened(&service, "b", json!({ "roots": {} })).await;
    client
        .line(r#"{"jsonrpc":"2.0","id":50,"method":"resources/subscribe","params":{"uri":"fixture://one"}}"#)
        .await;
    client.answer(50).await;
    client.call(1, "silent", json!({})).await;
    service.in_flight(1).await;
    let before = known(&mut client, 2).await;
    service.signal(Signal::KILL);
    let lost = client.answer(1).await;
    assert_eq!(code(&lost), -31001, "{lost}");
    service.ended().await;
    // Asked while there is no service, it waits; what took the connection down with it is answered as lost.
    let mut id = 100;
    let waits = loop {
        client.call(id, "echo", json!({ "message": "still there" })).await;
        match client.line_within(Duration::from_millis(500)).await {
            Some(line) => assert!(line.contains("-31001"), "{line}"),
            None => break id,
        }
        id += 1;
    };
    service.start_again().await;
    assert_eq!(text_of(&client.answer(waits).await), "still there");
    let after = known(&mut client, 4).await;
    assert_eq!(after["initialize"], before["initialize"], "the client's own, byte for byte");
    assert_eq!((&after["initialized_count"], &after["subscribed"]), (&json!(1), &json!(["fixture://one"])));
}

/// A client that only listens would never hear anything again.
#[tokio::test]
async fn a_client_that_says_nothing_is_connected_again_too() {
    let mut service = Service::start(&backend("b", &[], "")).await;
    let mut client = Launched::opened(&service, "b", json!({})).await;
    let streams = "mcpvisor_streams_open{backend=\"b\",kind=\"get\"}";
    let open = async || (service.metric(streams).await == 1.0).then_some(());
    eventually("its stream is open", open).await;
    service.signal(Signal::TERM);
    service.start_again().await;
    client.until(|message| message["method"] == "notifications/tools/list_changed").await;
    assert_eq!(service.metric("mcpvisor_sessions{backend=\"b\"}").await, 1.0);
}
