//! What a server tells of changes.

use serde_json::{Value, json};

use crate::common::{Client, Reply, soon};
use crate::{WAYS, World};

const URI: &str = "test://watched-resource";

async fn told(stream: &mut Reply) -> Value {
    soon("the server tells", stream.message()).await.unwrap()
}

/// A client would go on with lists that are no longer true.
#[tokio::test]
async fn lists_that_change_are_announced_on_the_stream_of_the_session() {
    let world = World::start("").await;
    for name in WAYS {
        let client = Client::open(&world.service, name).await;
        let mut stream = client.stream().await;
        for (tool, list) in [("test_trigger_tool_change", "tools"), ("test_trigger_prompt_change", "prompts")]
        {
            // The subscription of a new session may be a moment behind it.
            let changed = async {
                loop {
                    client.text(tool, json!({})).await;
                    if let Some(told) = stream.message_within(std::time::Duration::from_millis(500)).await {
                        return told;
                    }
                }
            };
            let changed = soon("a change is told", changed).await;
            let expected = format!("notifications/{list}/list_changed");
            assert_eq!(changed["method"], expected, "{name}: {changed}");
            assert!(changed["params"].get("_meta").is_none(), "{changed}");
        }
    }
}

/// Who watches a resource would not hear of it, or could not stop.
#[tokio::test]
async fn a_resource_is_watched_until_it_no_longer_is() {
    let world = World::start("").await;
    for name in WAYS {
        let client = Client::open(&world.service, name).await;
        let mut stream = client.stream().await;
        let change = async || client.text("test_trigger_resource_change", json!({})).await;
        let subscribed = client.request("resources/subscribe", json!({ "uri": URI })).await;
        assert_eq!(subscribed["result"], json!({}), "{name}");
        change().await;
        let updated = told(&mut stream).await;
        assert_eq!(updated["method"], "notifications/resources/updated", "{name}: {updated}");
        assert_eq!(updated["params"], json!({ "uri": URI }));
        client.request("resources/unsubscribe", json!({ "uri": URI })).await;
        change().await;
        // Subscribed once more, the next thing it hears is of a change after that.
        client.request("resources/subscribe", json!({ "uri": "test://another" })).await;
        client.text("test_trigger_tool_change", json!({})).await;
        assert_eq!(told(&mut stream).await["method"], "notifications/tools/list_changed", "{name}");
    }
}
