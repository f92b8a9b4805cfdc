//! What keeps a server that nobody asks anything, and what does not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::Duration;

use common::{Client, Service, backend, eventually, exists};
use serde_json::json;

const EVICTION: &str = "pool.idle_timeout = \"1s\"\npool.cleanup_interval = \"100ms\"\n";

/// A server that watches something for its client would be closed under the client's eyes.
#[tokio::test]
async fn an_open_stream_keeps_its_server_where_that_is_wanted() {
    let settings = format!("{EVICTION}keep_while_streaming = true\n");
    let service = Service::start(&(backend("a", &[], &settings) + &witness())).await;
    let client = Client::open(&service, "a").await;
    let stream = client.stream().await;
    let pid = client.pid().await;
    others_are_evicted(&service).await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    others_are_evicted(&service).await;
    assert_eq!(client.text("counter", json!({})).await, "2", "its memory is as it was");
    assert_eq!(client.pid().await, pid);
    drop(stream);
    eventually("it is evicted without the stream", async || (!exists(pid)).then_some(())).await;
}

/// A service that looked for more for ever (`gateway.busy_poll`) would use a core for nothing.
#[tokio::test]
async fn a_service_that_nobody_asks_sleeps_although_it_was_just_asked() {
    let config = format!("[gateway]\nbusy_poll = \"10ms\"\n{}", backend("a", &[], ""));
    let service = Service::start(&config).await;
    let client = Client::open(&service, "a").await;
    client.pid().await;
    let used = async || service.metric("process_cpu_seconds_total").await;
    let before = used().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let in_two_seconds = used().await - before;
    assert!(in_two_seconds < 0.7, "{in_two_seconds} s of a processor");
}

/// The server of many would be closed although one of them watches.
#[tokio::test]
async fn one_open_stream_keeps_the_server_of_all_who_share_it() {
    let settings = format!("{EVICTION}keep_while_streaming = true\nisolation = \"shared\"\n");
    let service = Service::start(&(backend("a", &[], &settings) + &witness())).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let stream = other.stream().await;
    let pid = one.pid().await;
    others_are_evicted(&service).await;
    assert_eq!(one.pid().await, pid);
    drop(stream);
    eventually("it is evicted without the stream", async || (!exists(pid)).then_some(())).await;
}

/// Whoever has said that a server is to stay would find it gone.
#[tokio::test]
async fn what_is_to_be_kept_is_not_evicted() {
    let settings = format!("{EVICTION}idle = \"keep\"\n");
    let service = Service::start(&(backend("a", &[], &settings) + &witness())).await;
    let client = Client::open(&service, "a").await;
    let pid = client.pid().await;
    others_are_evicted(&service).await;
    others_are_evicted(&service).await;
    assert_eq!(client.pid().await, pid);
    assert_eq!(service.metric(r#"mcpvisor_idle_evictions_total{backend="a"}"#).await, 0.0);
}

/// A client that subscribed would hear nothing more once it has asked nothing for a while; and a server that only
/// talks would be kept for nobody.
#[tokio::test]
async fn what_a_server_says_is_use_to_a_client_with_subscriptions_only() {
    let chatty = backend("a", &["--chatter", "50"], EVICTION);
    let service = Service::start(&(chatty + &witness())).await;
    let (subscriber, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let uri = json!({ "uri": "fixture://one" });
    subscriber.request("resources/subscribe", uri.clone()).await;
    let (pid, unheard) = (subscriber.pid().await, other.pid().await);
    eventually("the other one is evicted", async || (!exists(unheard)).then_some(())).await;
    others_are_evicted(&service).await;
    assert_eq!(subscriber.pid().await, pid);
    subscriber.request("resources/unsubscribe", uri).await;
    eventually("nothing keeps it any more", async || (!exists(pid)).then_some(())).await;
}

fn witness() -> String {
    backend("witness", &[], EVICTION)
}

/// Returns once a server that was used after all others, and is idle as they are, has been evicted.
async fn others_are_evicted(service: &Service) {
    let pid = Client::open(service, "witness").await.pid().await;
    eventually("a server that nobody uses is evicted", async || (!exists(pid)).then_some(())).await;
}
