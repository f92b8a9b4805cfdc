use std::sync::Arc;

use tokio::sync::Notify;

use super::*;

/// The server would not know whose request it is, or refuse its version.
#[tokio::test]
async fn session_and_version_go_along_after_the_handshake() {
    let mut world = World::new(with_session(|seen| Reply::json("", &answer(wire_of(seen))))).await;
    world.handshake().await;
    world.request(2);
    assert_eq!(world.outcome().await, frame(2, &answer(2)));
    let seen = world.seen().await;
    assert_eq!(seen.header("mcp-session-id"), Some("s-1"));
    assert_eq!(seen.header("mcp-protocol-version"), Some("2025-06-18"));
}

/// A server's sessions would pile up until it runs out of memory.
#[tokio::test]
async fn closing_ends_the_session_after_the_last_notice() {
    let mut world = World::new(with_session(|seen| match seen.method.as_str() {
        "GET" => Reply::open_events(""),
        "POST" if seen.body.contains("tools/list") => Reply::silence(),
        _ => Reply::accepted(),
    }))
    .await;
    world.handshake().await;
    world.link.open_stream();
    assert_eq!(world.seen().await.method, "GET");
    world.request(2);
    world.seen().await;
    world.link.post(Bytes::from(notice()), None);
    timeout(PATIENCE, world.link.close(PATIENCE)).await.unwrap();
    assert_eq!(world.requests.recv().await.unwrap().body, notice());
    let last = world.requests.recv().await.unwrap();
    assert_eq!((last.method.as_str(), last.header("mcp-session-id")), ("DELETE", Some("s-1")));
    // Everything has ended and nothing of it was a failure: the callback is gone, with only this to tell.
    assert_eq!(world.events.recv().await, Some(Upstream::Sent { wire: 2 }));
    assert_eq!(world.events.recv().await, None);
}

/// A server that hangs would hold up the drain.
#[tokio::test]
async fn closing_keeps_its_deadline() {
    let mut world = World::new(with_session(|_| Reply::silence())).await;
    world.handshake().await;
    world.link.post(Bytes::from(notice()), None);
    timeout(PATIENCE, world.link.close(Duration::from_millis(50))).await.unwrap();
}

/// Tasks and connections of a crashed connection would live on.
#[tokio::test]
async fn dropping_the_link_ends_everything() {
    let mut world = World::new(with_session(|_| Reply::silence())).await;
    world.handshake().await;
    world.request(2);
    world.link.open_stream();
    world.seen().await;
    drop(world.link);
    let ended = async { while world.events.recv().await.is_some() {} };
    timeout(PATIENCE, ended).await.unwrap();
}

/// The request would be answered as lost although it certainly was not executed.
#[tokio::test]
async fn a_404_with_a_session_is_a_lost_session_and_without_one_a_status() {
    let mut world = World::new(with_session(|_| Reply::status("404 Not Found", "", "gone"))).await;
    world.handshake().await;
    world.request(2);
    assert_eq!(world.outcome().await, Upstream::SessionLost { wire: Some(2) });
    world.link.post(Bytes::from(notice()), None);
    assert_eq!(world.outcome().await, Upstream::SessionLost { wire: None });

    let mut world = World::new(|_| Reply::status("404 Not Found", "", "wrong path")).await;
    world.request(1);
    let outcome = world.outcome().await;
    assert!(
        matches!(&outcome, Upstream::PostFailed { failure: PostFailure::Status { code: 404, .. }, .. }),
        "{outcome:?}"
    );
}

/// Strict servers refuse requests before `initialized`, and POSTs overtake each other.
#[tokio::test]
async fn nothing_overtakes_initialized() {
    let acknowledge = Arc::new(Notify::new());
    let when = acknowledge.clone();
    let mut world = World::new(with_session(move |seen| match seen.body.contains("initialized") {
        true => Reply::accepted().when(when.clone()),
        false => Reply::silence(),
    }))
    .await;
    world.handshake().await;
    world.link.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.into(), None);
    world.request(2);
    world.link.open_stream();
    assert!(world.seen().await.body.contains("initialized"));
    let early = timeout(Duration::from_millis(100), world.requests.recv()).await;
    assert!(early.is_err(), "{early:?}");
    acknowledge.notify_one();
    let mut methods = [world.seen().await.method, world.seen().await.method];
    methods.sort();
    assert_eq!(methods, ["GET", "POST"]);
}
