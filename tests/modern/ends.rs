//! The end of the service, as clients without sessions see it.

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::client::Modern;
use crate::common::conforming;
use crate::common::{Service, backend, code, eventually, marked, reason, text_of};
use crate::demo;

async fn serve(config: &str) -> Service {
    Service::start_in(TempDir::new().unwrap(), config, &["gateway.drain_timeout=10s"]).await
}

/// Every deployment would cut off calls and streams without a word.
#[tokio::test]
async fn calls_finish_streams_end_with_a_result_and_nothing_new_begins() {
    let mut service =
        serve(&[backend("a", &[], ""), demo("d", ""), conforming("m", "modern", "")].concat()).await;
    let (a, d, m) = (Modern::new(&service, "a"), Modern::new(&service, "d"), Modern::new(&service, "m"));
    let (id, mut old) = a.listen(json!({ "toolsListChanged": true })).await;
    let (modern_id, mut new) = m.listen(json!({ "toolsListChanged": true })).await;
    for stream in [&mut old, &mut new] {
        assert_eq!(stream.message().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    }
    a.pid().await;
    d.pid().await;
    let sleep = json!({ "ms": 2000 });
    let ((_, one), (_, two), ()) =
        tokio::join!(a.call("sleep", sleep.clone()), d.call("sleep", sleep), async {
            service.in_flight(2 + 1).await;
            service.signal(Signal::TERM);
            let draining = async || (service.get("/readyz").await.status == 503).then_some(());
            eventually("it drains", draining).await;
            let reply = a.post(&a.message("tools/call", json!({ "name": "echo" }))).await;
            assert!(reply.status == 503 && reply.header("retry-after").is_some());
            let refused = reply.json().await;
            assert_eq!((code(&refused), reason(&refused)), (-31005, "drain"), "{refused}");
        });
    assert_eq!((text_of(&one), text_of(&two)), ("slept 2000 ms".to_owned(), "slept 2000 ms".to_owned()));
    for (id, stream) in [(id, old), (modern_id, new)] {
        let said = stream.messages().await;
        let last = said.last().unwrap();
        let result =
            json!({ "resultType": "complete", "_meta": { "io.modelcontextprotocol/subscriptionId": id } });
        assert_eq!((&last["id"], &last["result"]["resultType"]), (&id, &result["resultType"]), "{said:?}");
        assert_eq!(last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id, "{last}");
    }
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

/// A call that waits for a client that never comes would hold up every deployment.
#[tokio::test]
async fn a_parked_call_does_not_outlast_the_drain() {
    let setting = "gateway.drain_timeout=2s";
    let mut service = Service::start_in(TempDir::new().unwrap(), &backend("a", &[], ""), &[setting]).await;
    let client = Modern::new(&service, "a");
    client.asked("elicit", json!({})).await;
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

/// A probe that is under way would outlive the service that made it.
#[tokio::test]
async fn a_probe_under_way_ends_with_the_service() {
    let flags = ["--ignore", "server/discover", "--ignore", "initialize", "--ignore-term", "--grandchild"];
    let mut service =
        serve(&backend("a", &flags, "timeouts.probe = \"60s\"\ntimeouts.launch = \"120s\"")).await;
    let client = Modern::new(&service, "a");
    let (address, message) = (service.main.clone(), client.message("tools/list", json!({})));
    let ask = client.ask(&message);
    let asking = tokio::spawn(async move { drop(ask.send_patiently(&address).await) });
    let there = async || (marked(&service.instance).len() >= 2).then_some(());
    eventually("the child of the probe and its own are there", there).await;
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
    asking.abort();
}
