//! Upstreams that accept and never answer.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::common::{Client, Service, code, eventually, reason};
use super::reply::Reply;
use super::upstream::Upstream;
use super::{counted, counter, is, no_session, state};

/// A client would wait for ever for its session.
#[tokio::test]
async fn a_handshake_without_an_answer_is_given_up_in_time() {
    let upstream = Upstream::start(|seen| (seen.what == "initialize").then(Reply::silence)).await;
    let service = Service::start(&upstream.backend("up", "timeouts.launch = \"700ms\"\n")).await;
    let start = Instant::now();
    let answer = no_session(&service, "up").await;
    assert_eq!((code(&answer), reason(&answer)), (-31006, "launch_timeout"), "{answer}");
    assert!(start.elapsed() >= Duration::from_millis(600), "{:?}", start.elapsed());
    assert_eq!(counted(&service, "faults_total", "up", "launch_timeout").await, 1.0);
    assert_eq!(counted(&service, "restarts_total", "up", "launch_timeout").await, 0.0);
    assert_eq!(service.metric(r#"mcpvisor_launches_total{backend="up",result="timeout"}"#).await, 1.0);
    eventually("its connection is given up", async || (upstream.held() == 0).then_some(())).await;
}

/// One call without an answer would hold up the session, or be held against the server for ever.
#[tokio::test]
async fn a_call_without_an_answer_times_out_and_nothing_else() {
    for reply in [Reply::silence as fn() -> Reply, || Reply::open_events(": wait\n\n")] {
        let upstream = Upstream::start(move |seen| (seen.tool() == "bad").then(reply)).await;
        let service = Service::start(&upstream.backend("up", "timeouts.request = \"1s\"\n")).await;
        let (client, other) = (Client::open(&service, "up").await, Client::open(&service, "up").await);
        let (answer, ()) = tokio::join!(client.call("bad", json!({})), async {
            upstream.until("tools/call", 1).await;
            assert_eq!((counter(&client).await, counter(&other).await), ("1".into(), "1".into()));
        });
        assert_eq!((code(&answer), reason(&answer)), (-31003, "request"), "{answer}");
        upstream.until("notifications/cancelled", 1).await;
        let (call, cancel) = (&upstream.saw("tools/call")[0], &upstream.saw("notifications/cancelled")[0]);
        assert_eq!((call.tool(), &call.body["id"]), ("bad", &cancel.body["params"]["requestId"]));
        eventually("its connection is given up", async || (upstream.held() == 0).then_some(())).await;
        assert_eq!(state(&service, &client).await, is("ready", 0, 0));
        assert_eq!((counter(&client).await, counter(&other).await), ("2".into(), "2".into()));
    }
}

/// A drain, or the client that ends its session, would wait for an upstream that does not listen any more.
#[tokio::test]
async fn one_that_does_not_answer_the_end_of_a_session_holds_up_nothing() {
    let upstream = Upstream::start(|seen| (seen.what == "DELETE").then(Reply::silence)).await;
    let settings = "timeouts.stdin_grace = \"500ms\"\ntimeouts.term_grace = \"500ms\"\n";
    let mut service = Service::start(&upstream.backend("up", settings)).await;
    let (client, other) = (Client::open(&service, "up").await, Client::open(&service, "up").await);
    assert_eq!((counter(&client).await, counter(&other).await), ("1".into(), "1".into()));
    let start = Instant::now();
    assert_eq!(client.delete().await, 204);
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 404);
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(4), "it took {:?}", start.elapsed());
    assert_eq!(upstream.count("DELETE"), 2);
}
