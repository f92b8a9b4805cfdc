//! Calls, and what comes along with them.

use serde_json::json;

use crate::common::{Client, Service, code, text_of};
use crate::{WAYS, World};

/// A long job would look dead.
#[tokio::test]
async fn progress_reaches_the_client_under_its_own_token() {
    let world = World::start("").await;
    for name in WAYS {
        let client = Client::open(&world.service, name).await;
        let params = json!({ "name": "test_tool_with_progress", "_meta": { "progressToken": "mine" } });
        let told = client.post(&client.message("tools/call", params)).await.messages().await;
        let progress = told.iter().filter(|message| message["method"] == "notifications/progress");
        let progress: Vec<_> = progress.map(|message| &message["params"]).collect();
        assert_eq!(progress.len(), 3, "{name}: {told:?}");
        assert!(progress.iter().all(|params| params["progressToken"] == "mine"));
    }
}

/// A client would get all log messages of a server, or none.
#[tokio::test]
async fn the_log_level_of_a_session_holds_for_its_calls() {
    let world = World::start("").await;
    for name in WAYS {
        let client = Client::open(&world.service, name).await;
        let logged = async || {
            let message = client.message("tools/call", json!({ "name": "test_logging_tool" }));
            let told = client.post(&message).await.messages().await;
            told.iter().filter(|message| message["method"] == "notifications/message").count()
        };
        let level = async |level: &str| client.request("logging/setLevel", json!({ "level": level })).await;
        assert_eq!(level("info").await["result"], json!({}), "{name}");
        assert_eq!(logged().await, 1, "{name}");
        level("error").await;
        assert_eq!(logged().await, 0, "{name}");
        assert_eq!(code(&level("loud").await), -32602, "{name}");
    }
}

/// A client would see codes that it has no name for.
#[tokio::test]
async fn errors_are_told_in_the_codes_of_the_client() {
    let world = World::start("").await;
    for name in WAYS {
        let client = Client::open(&world.service, name).await;
        let gone = client.request("resources/read", json!({ "uri": "test://nothing" })).await;
        assert_eq!(code(&gone), -32002, "{name}: {gone}");
        assert_eq!(gone["error"]["data"]["uri"], "test://nothing");
        let missing = client.call("test_missing_capability", json!({})).await;
        assert_eq!(code(&missing), -32603, "{name}: {missing}");
        assert_eq!(code(&client.request("no/such", json!({})).await), -32601, "{name}");
    }
}

/// A proxy in front of the server would refuse every call of such a tool.
#[tokio::test]
async fn arguments_that_a_header_repeats_are_repeated() {
    let world = World::start("").await;
    let client = Client::open(&world.service, "u").await;
    client.request("tools/list", json!({})).await;
    assert_eq!(client.text("test_custom_headers", json!({ "region": "north" })).await, "region north");
}

/// A client that no longer wants an answer would wait for it all the same.
#[tokio::test]
async fn a_cancelled_call_ends() {
    let world = World::start("").await;
    for name in WAYS {
        let client = Client::open(&world.service, name).await;
        let params = json!({ "name": "test_sleep", "arguments": { "ms": 600_000 } });
        let message = client.message("tools/call", params);
        let cancel = async {
            world.service.in_flight(1).await;
            client.notify("notifications/cancelled", json!({ "requestId": message["id"] })).await;
        };
        let (reply, ()) = tokio::join!(client.post(&message), cancel);
        let told = crate::common::soon("the end of the call", reply.messages()).await;
        assert!(told.iter().all(|message| message.get("result").is_none()), "{name}: {told:?}");
        world.service.in_flight(0).await;
        client.text("test_simple_text", json!({})).await;
    }
}

/// A server of today that hangs would never be replaced: pings are a thing of the era before.
#[tokio::test]
async fn a_server_that_hangs_is_found_out() {
    let settings = "timeouts.request = \"1s\"\ntimeouts.heartbeat = \"200ms\"\ntimeouts.missed_pings = 2\n\
                    backoff.min = \"50ms\"";
    let service = Service::start(&crate::conforming("p", "modern", settings)).await;
    let client = Client::open(&service, "p").await;
    let pid: u32 = client.text("test_pid", json!({})).await.parse().unwrap();
    crate::common::signal(pid, rustix::process::Signal::STOP);
    crate::common::eventually("all its threads stand still", async || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')).then_some(())
    })
    .await;
    let answer = client.call("test_simple_text", json!({})).await;
    assert!(code(&answer) != 0, "{answer}");
    let text = crate::common::eventually("another process serves", async || {
        let answer = client.call("test_pid", json!({})).await;
        answer["result"].is_object().then(|| text_of(&answer))
    });
    assert_ne!(text.await, pid.to_string());
}

/// A slow call would be taken for a hang, or the other way round.
#[tokio::test]
async fn a_call_may_take_its_time() {
    let settings = "timeouts.heartbeat = \"100ms\"\ntimeouts.missed_pings = 2";
    let service = Service::start(&crate::conforming("p", "modern", settings)).await;
    let client = Client::open(&service, "p").await;
    assert_eq!(client.text("test_sleep", json!({ "ms": 1500 })).await, "Slept");
    assert_eq!(service.connections().await[0]["restarts"], 0);
}
