//! Streams that are open while the keys change.

use serde_json::{Value, json};

use crate::access::keys;
use crate::common::{Ask, Client, Reply, Service, eventually_or};
use crate::marked;
use crate::modern::Modern;

/// A stream of HTTP+SSE, and where its client writes to.
async fn old(service: &Service, key: &str) -> (Reply, Ask) {
    let bearer = format!("Bearer {key}");
    let get = Ask::new("GET", "/sse/a").header("accept", "text/event-stream");
    let mut stream = get.header("authorization", &bearer).send(&service.main).await;
    stream.reads("data: ").await;
    let initialize = Client::initialize("2024-11-05", json!({})).to_string();
    let post = Ask::new("POST", &stream.raw_event().await.unwrap()).body(initialize);
    (stream, post.header("content-type", "application/json").header("authorization", &bearer))
}

/// Every kind of stream that belongs to no request, opened with that key, and how the last of them gets its session.
async fn streams(service: &Service, key: &str) -> (Vec<(&'static str, Reply)>, Ask) {
    let tools = json!({ "toolsListChanged": true });
    let session = Client::open_with(service, "a", key, json!({})).await;
    let mut all = vec![
        ("GET /mcp/a", session.stream().await),
        ("listen", Modern::new(service, "a").by(key).listen(tools.clone()).await.1),
        ("listen to all", Modern::new(service, "").by(key).listen(tools).await.1),
    ];
    for (_, stream) in &mut all[1..] {
        let first = stream.message().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    }
    let (mut with_session, initialize) = old(service, key).await;
    assert_eq!(initialize.send(&service.main).await.status, 202);
    assert!(with_session.message().await.unwrap()["result"].is_object());
    let (without, initialize) = old(service, key).await;
    all.extend([("SSE", with_session), ("SSE before initialize", without)]);
    (all, initialize)
}

/// Whether it says what a subscription that has ended says last.
fn is_the_end(message: &Value) -> bool {
    message["result"]["resultType"] == "complete"
}

/// Whoever has a key that leaked would go on listening after it was taken back or replaced.
#[tokio::test]
async fn streams_end_with_the_key_that_opened_them() {
    let config = |of: &[(&str, &str)]| ["[auth]\n", &keys("keys", of), &marked("a", "1", "")].concat();
    let service = Service::start(&config(&[("alice", "a1"), ("bob", "b"), ("carol", "c")])).await;
    let (replaced, removed) = (streams(&service, "a1").await, streams(&service, "b").await);
    let (mut kept, initialize) = streams(&service, "c").await;
    service.reload(&config(&[("alice", "a2"), ("carol", "c")])).await;
    for (whose, (ended, _)) in [("replaced", replaced), ("removed", removed)] {
        for (which, mut stream) in ended {
            let mut last = None;
            while let Some(message) = stream.message().await {
                last = Some(message);
            }
            if which.starts_with("listen") {
                assert!(last.as_ref().is_some_and(is_the_end), "{whose} {which}: {last:?}");
            }
        }
    }
    // That of the older HTTP+SSE is fed by one, too.
    for (kind, hers) in [("get", 2.0), ("listen", 1.0)] {
        let open = format!(r#"mcpvisor_streams_open{{backend="a",kind="{kind}"}}"#);
        eventually_or(async || match service.metric(&open).await {
            count if count == hers => Ok(()),
            count => Err(format!("only hers are left: {count} of {kind}")),
        })
        .await;
    }
    assert_eq!(initialize.send(&service.main).await.status, 202);
    assert!(kept.last_mut().unwrap().1.message().await.unwrap()["result"].is_object());
}
