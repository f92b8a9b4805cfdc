//! Servers that go, and clients that share one.

use serde_json::{Value, json};

use crate::common::{Client, Conforming, Service, conforming, eventually, kill_9, soon, text_of};

const URI: &str = "test://watched-resource";
const FAST: &str = "backoff.min = \"50ms\"\nbackoff.max = \"100ms\"\npool.max_error_count = 1000";

/// A crash would end the session, or leave it without what it had asked for.
#[tokio::test]
async fn a_session_outlives_its_process_with_all_that_it_had() {
    let service = Service::start(&conforming("p", "modern", FAST)).await;
    let client = Client::open(&service, "p").await;
    let mut stream = client.stream().await;
    client.request("resources/subscribe", json!({ "uri": URI })).await;
    client.request("logging/setLevel", json!({ "level": "info" })).await;
    let pid: u32 = client.text("test_pid", json!({})).await.parse().unwrap();
    kill_9(pid);
    let next = eventually("another process serves the session", async || {
        let answer = client.call("test_pid", json!({})).await;
        answer["result"].is_object().then(|| text_of(&answer)).filter(|text| *text != pid.to_string())
    });
    assert_ne!(next.await, pid.to_string());
    let told = async |stream: &mut crate::common::Reply, wanted: &str| loop {
        let message: Value = soon(wanted, stream.message()).await.unwrap();
        if message["method"] == wanted {
            return message;
        }
    };
    told(&mut stream, "notifications/tools/list_changed").await;
    client.text("test_trigger_resource_change", json!({})).await;
    assert_eq!(told(&mut stream, "notifications/resources/updated").await["params"]["uri"], URI);
    let message = client.message("tools/call", json!({ "name": "test_logging_tool" }));
    let told = client.post(&message).await.messages().await;
    assert!(told.iter().any(|message| message["method"] == "notifications/message"), "{told:?}");
}

/// An upstream that is deployed anew would leave its clients without a word of what changes.
#[tokio::test]
async fn an_upstream_that_comes_back_is_listened_to_again() {
    let mut upstream = Conforming::start("127.0.0.1:0", "modern");
    let service = Service::start(&upstream.backend(FAST)).await;
    let client = Client::open(&service, "u").await;
    let mut stream = client.stream().await;
    client.request("resources/subscribe", json!({ "uri": URI })).await;
    let address = upstream.address();
    upstream.end();
    let _upstream = Conforming::start(&address, "modern");
    let heard = async {
        loop {
            let answer = client.call("test_trigger_resource_change", json!({})).await;
            let told = stream.message_within(std::time::Duration::from_millis(300)).await;
            if answer["result"].is_object()
                && told.is_some_and(|told| told["method"] == "notifications/resources/updated")
            {
                return;
            }
        }
    };
    soon("changes are told again", heard).await;
}

/// Two users on one server would get each other's questions, progress or log messages.
#[tokio::test]
async fn sessions_that_share_a_process_are_kept_apart() {
    let upstream = Conforming::start("127.0.0.1:0", "modern");
    let shared = "isolation = \"shared\"\nclient_profile.capabilities = { elicitation = {}, sampling = {}, roots = {} }";
    let config = conforming("p", "modern", shared) + &upstream.backend(shared);
    let service = Service::start(&config).await;
    for name in crate::WAYS {
        let (one, other) = (crate::able(&service, name).await, crate::able(&service, name).await);
        let pid = json!({});
        assert_eq!(one.text("test_pid", pid.clone()).await, other.text("test_pid", pid).await);
        let tool = "test_input_required_result_elicitation";
        let (_, mut for_one) = crate::start(&one, tool, json!({})).await;
        let (_, mut for_other) = crate::start(&other, tool, json!({})).await;
        let (asked_one, asked_other) = (for_one.message().await.unwrap(), for_other.message().await.unwrap());
        let named = |name: &str| json!({ "action": "accept", "content": { "name": name } });
        other.respond(&asked_other["id"], named("Bob")).await;
        one.respond(&asked_one["id"], named("Ann")).await;
        assert!(text_of(&soon("one", for_one.message()).await.unwrap()).contains("Ann"), "{name}");
        assert!(text_of(&soon("other", for_other.message()).await.unwrap()).contains("Bob"), "{name}");

        let (mut hears, mut silent) = (one.stream().await, other.stream().await);
        one.request("resources/subscribe", json!({ "uri": URI })).await;
        other.text("test_trigger_resource_change", json!({})).await;
        let updated = soon("the update", hears.message()).await.unwrap();
        assert_eq!(updated["params"]["uri"], URI, "{name}: {updated}");
        other.text("test_trigger_tool_change", json!({})).await;
        let changed = soon("the change", silent.message()).await.unwrap();
        assert_eq!(changed["method"], "notifications/tools/list_changed", "{name}: it watches nothing");
    }
}
