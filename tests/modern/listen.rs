//! `subscriptions/listen`: what changes, told to whom asked for it.

use serde_json::{Value, json};

use crate::client::Modern;
use crate::common::conforming;
use crate::common::{Reply, Service, backend, eventually, kill_9};
use crate::demo;

const ID: &str = "io.modelcontextprotocol/subscriptionId";

async fn next(stream: &mut Reply, id: &Value) -> Value {
    let message = stream.message().await.unwrap();
    assert_eq!(&message["params"]["_meta"][ID], id, "{message}");
    message
}

async fn acknowledged(stream: &mut Reply, id: &Value) -> Value {
    let first = next(stream, id).await;
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    first["params"]["notifications"].clone()
}

/// A client would take an early change for one it has not missed, or wait for what was never granted.
#[tokio::test]
async fn what_is_granted_is_said_first_and_only_what_was_asked_for_follows() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let wanted = json!({ "toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["fixture://one"] });
    let (id, mut stream) = client.listen(wanted).await;
    let (other_id, mut other) = client.listen(json!({ "resourceSubscriptions": ["fixture://two"] })).await;
    // The fixture does not promise to tell of its prompts.
    let granted = json!({ "toolsListChanged": true, "resourceSubscriptions": ["fixture://one"] });
    assert_eq!(acknowledged(&mut stream, &id).await, granted);
    assert_eq!(
        acknowledged(&mut other, &other_id).await,
        json!({ "resourceSubscriptions": ["fixture://two"] })
    );
    for uri in ["fixture://one", "fixture://three", "fixture://two"] {
        client.text("touch", json!({ "uri": uri })).await;
    }
    client.text("change_tools", json!({})).await;
    let updated = next(&mut stream, &id).await;
    assert_eq!(
        (&updated["method"], &updated["params"]["uri"]),
        (&json!("notifications/resources/updated"), &json!("fixture://one"))
    );
    assert_eq!(next(&mut stream, &id).await["method"], "notifications/tools/list_changed");
    assert_eq!(next(&mut other, &other_id).await["params"]["uri"], "fixture://two");
}

/// The same for a backend that listens for us in its own way.
#[tokio::test]
async fn a_backend_of_the_same_era_tells_each_what_it_asked_for() {
    let service = Service::start(&conforming("m", "modern", "")).await;
    let client = Modern::new(&service, "m");
    let (id, mut stream) = client.listen(json!({ "toolsListChanged": true })).await;
    let uris = json!({ "resourceSubscriptions": ["test://watched-resource"], "promptsListChanged": true });
    let (other_id, mut other) = client.listen(uris.clone()).await;
    assert_eq!(acknowledged(&mut stream, &id).await, json!({ "toolsListChanged": true }));
    assert_eq!(acknowledged(&mut other, &other_id).await, uris);
    for tool in ["test_trigger_prompt_change", "test_trigger_resource_change", "test_trigger_tool_change"] {
        client.text(tool, json!({})).await;
    }
    assert_eq!(next(&mut stream, &id).await["method"], "notifications/tools/list_changed");
    assert_eq!(next(&mut other, &other_id).await["method"], "notifications/prompts/list_changed");
    assert_eq!(next(&mut other, &other_id).await["params"]["uri"], "test://watched-resource");
}

/// Two clients count from 1 both, and each would hear the other's changes under its own number.
#[tokio::test]
async fn streams_with_the_same_id_are_two() {
    let service = Service::start(&(backend("a", &[], "") + &conforming("m", "modern", ""))).await;
    for (name, tool) in [("a", "change_tools"), ("m", "test_trigger_tool_change")] {
        let (one, other) = (Modern::new(&service, name), Modern::new(&service, name));
        let ((id, mut tools), (same, mut prompts)) = tokio::join!(
            one.listen(json!({ "toolsListChanged": true })),
            other.listen(json!({ "promptsListChanged": true }))
        );
        assert_eq!(id, same);
        assert_eq!(acknowledged(&mut tools, &id).await, json!({ "toolsListChanged": true }));
        acknowledged(&mut prompts, &id).await;
        one.text(tool, json!({})).await;
        assert_eq!(next(&mut tools, &id).await["method"], "notifications/tools/list_changed");
        let heard = prompts.message_within(std::time::Duration::from_millis(300)).await;
        assert_eq!(heard, None, "{name}");
    }
}

/// A client would go on with what the dead server had, and hear nothing of the new one.
#[tokio::test]
async fn after_a_kill_the_stream_goes_on_and_tells_that_things_may_have_changed() {
    let service = Service::start(&(backend("a", &[], "") + &conforming("m", "modern", ""))).await;
    for (name, uri) in [("a", "fixture://one"), ("m", "test://watched-resource")] {
        let client = Modern::new(&service, name);
        let (id, mut stream) =
            client.listen(json!({ "toolsListChanged": true, "resourceSubscriptions": [uri] })).await;
        acknowledged(&mut stream, &id).await;
        let pid = pid_of(&client, name).await;
        kill_9(pid);
        assert_eq!(next(&mut stream, &id).await["method"], "notifications/tools/list_changed", "{name}");
        eventually("another process serves", async || (pid_of(&client, name).await != pid).then_some(()))
            .await;
        let update = async || match name {
            "a" => drop(client.call("touch", json!({ "uri": uri })).await),
            _ => drop(client.call("test_trigger_resource_change", json!({})).await),
        };
        update().await;
        loop {
            let heard = next(&mut stream, &id).await;
            if heard["method"] == "notifications/resources/updated" {
                assert_eq!(heard["params"]["uri"], uri);
                break;
            }
        }
    }
}

/// A client that closes its stream would leave its subscription behind.
#[tokio::test]
async fn a_stream_that_is_closed_is_over_at_the_backend_too() {
    let service = Service::start(&(backend("a", &[], "") + &demo("d", ""))).await;
    let client = Modern::new(&service, "a");
    let subscribed = async || {
        let told: Value = serde_json::from_str(&client.text("handshake", json!({})).await).unwrap();
        told["subscribed"].as_array().unwrap().len()
    };
    let uris = |uris: Value| json!({ "resourceSubscriptions": uris });
    let (id, mut one) = client.listen(uris(json!(["fixture://one", "fixture://two"]))).await;
    let (other_id, mut other) = client.listen(uris(json!(["fixture://two"]))).await;
    acknowledged(&mut one, &id).await;
    acknowledged(&mut other, &other_id).await;
    assert_eq!(subscribed().await, 2);
    drop(one);
    eventually("what only it wanted is over", async || (subscribed().await == 1).then_some(())).await;
    client.text("touch", json!({ "uri": "fixture://two" })).await;
    assert_eq!(next(&mut other, &other_id).await["params"]["uri"], "fixture://two");
    drop(other);
    eventually("all is over", async || (subscribed().await == 0).then_some(())).await;
    let listening = async || {
        (service.metric(r#"mcpvisor_streams_open{backend="a",kind="listen"}"#).await == 0.0).then_some(())
    };
    eventually("no stream is counted", listening).await;
}

async fn pid_of(client: &Modern, name: &str) -> u32 {
    match name {
        "a" => client.pid().await,
        _ => client.text("test_pid", json!({})).await.parse().unwrap(),
    }
}
