//! The error budget: it belongs to the session, and every error that is counted can be accounted for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use common::{Ask, Client, Service, backend, eventually, exists, kill_9};
use serde_json::json;

/// A session that keeps failing would get a clean count by being left alone for a while.
#[tokio::test]
async fn an_eviction_forgives_no_errors() {
    let settings = "pool.idle_timeout = \"300ms\"\npool.cleanup_interval = \"100ms\"";
    let service = Service::start(&backend("a", &[], settings)).await;
    let client = Client::open(&service, "a").await;
    let before = client.pid().await;
    kill_9(before);
    // Until its death is noticed, a call still goes to it.
    let after = eventually("another process answers", async || {
        let answer = client.call("pid", json!({})).await;
        let known = answer["result"]["content"][0]["text"].as_str()?.to_owned();
        let pid = serde_json::from_str::<serde_json::Value>(&known).unwrap()["pid"].as_u64()?;
        (pid != u64::from(before)).then_some(pid)
    });
    let after = u32::try_from(after.await).unwrap();
    eventually("it is evicted", async || (!exists(after)).then_some(())).await;
    eventually("and forgotten", async || service.connections().await.is_empty().then_some(())).await;
    client.pid().await;
    let shown = &service.connections().await[0];
    assert_eq!((&shown["error_count"], &shown["total_errors"]), (&json!(1), &json!(1)), "{shown}");
}

async fn sum(service: &Service, name: &str, backend: &str, except: &[&str]) -> f64 {
    let page = service.metrics().await;
    let own = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let own = own.filter(|line| line.contains(&format!("backend=\"{backend}\"")));
    let own = own.filter(|line| !except.iter().any(|label| line.contains(&format!("=\"{label}\""))));
    own.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// Faults, and what they must add up to: restarts begun, stops, restarts abandoned, keys backing off.
async fn accounts(service: &Service, backend: &str) -> (f64, f64) {
    let faults = sum(service, "mcpvisor_faults_total", backend, &["http_status", "external"]).await;
    let restarts = sum(service, "mcpvisor_restarts_total", backend, &["manual", "reload"]).await;
    let stops = sum(service, "mcpvisor_max_error_stops_total", backend, &[]).await
        + sum(service, "mcpvisor_fatal_stops_total", backend, &[]).await;
    let abandoned = sum(service, "mcpvisor_restarts_abandoned_total", backend, &[]).await;
    let waiting = format!("mcpvisor_connections{{backend=\"{backend}\",phase=\"backing_off\"}}");
    (faults, restarts + stops + abandoned + service.metric(&waiting).await)
}

/// An operator who adds up restarts and stops would find errors that led to nothing.
#[tokio::test]
async fn every_counted_fault_is_a_restart_a_stop_or_an_abandoned_restart() {
    let slow = "backoff.min = \"1m\"\nbackoff.max = \"1m\"\nbackoff.jitter = 0.0";
    let limit = "pool.max_error_count = 1\nbackoff.min = \"1ms\"\nbackoff.max = \"1ms\"";
    let config = [
        backend("a", &["--fault-tools"], slow),
        backend("limit", &["--die-after-handshake"], limit),
        backend("never", &["--die-in-initialize"], ""),
        "[backends.fatal]\ncommand = \"/nowhere/at/all\"\n".to_owned(),
    ]
    .concat();
    let service = Service::start(&config).await;
    // Two deaths in a row: one restart at once, one that waits a minute, until the session ends.
    let client = Client::open(&service, "a").await;
    client.call("crash", json!({})).await;
    client.call("crash", json!({})).await;
    let backing_off = r#"mcpvisor_connections{backend="a",phase="backing_off"}"#;
    eventually("it backs off", async || (service.metric(backing_off).await == 1.0).then_some(())).await;
    assert_eq!(accounts(&service, "a").await, (2.0, 2.0));
    client.delete().await;
    let abandoned = r#"mcpvisor_restarts_abandoned_total{backend="a",reason="delete"}"#;
    eventually("given up", async || (service.metric(abandoned).await == 1.0).then_some(())).await;
    assert_eq!(accounts(&service, "a").await, (2.0, 2.0));

    Client::open(&service, "limit").await;
    let stops = r#"mcpvisor_max_error_stops_total{backend="limit"}"#;
    eventually("it stops", async || (service.metric(stops).await == 1.0).then_some(())).await;
    assert_eq!(accounts(&service, "limit").await, (2.0, 2.0));

    for backend in ["never", "fatal"] {
        let initialize = Client::initialize("2025-11-25", json!({})).to_string();
        Ask::mcp(&format!("/mcp/{backend}"), initialize).send(&service.main).await;
        let never = format!(
            "mcpvisor_restarts_abandoned_total{{backend=\"{backend}\",reason=\"never_initialised\"}}"
        );
        eventually("forgotten", async || (service.metric(&never).await == 1.0).then_some(())).await;
        assert_eq!(accounts(&service, backend).await, (1.0, 1.0), "{backend}");
    }
}

/// A server that all share and that cannot start would be started anew with every request, for ever.
#[tokio::test]
async fn a_shared_server_that_cannot_start_is_left_alone_after_its_limit() {
    let settings = "isolation = \"shared\"\npool.max_error_count = 2\npool.cooldown = \"5m\"";
    let service = Service::start(&backend("a", &["--die-in-initialize"], settings)).await;
    let mut reasons = Vec::new();
    for _ in 0..6 {
        let Err((_, refused)) = Client::try_open(&service, "a").await else { panic!("it cannot start") };
        reasons.push(refused["error"]["data"]["reason"].as_str().unwrap().to_owned());
    }
    assert_eq!(reasons, ["exit", "exit", "exit", "cooling", "cooling", "cooling"]);
    let launches = sum(&service, "mcpvisor_launches_total", "a", &[]).await;
    assert_eq!(launches, 3.0);
    assert_eq!(sum(&service, "mcpvisor_max_error_stops_total", "a", &[]).await, 1.0);
    let (faults, accounted) = accounts(&service, "a").await;
    assert_eq!((faults, accounted), (3.0, 3.0));
}
