//! Processes in reserve: a new session of a slow starter does not wait for it, and nobody is worse off for them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "warm/deaths.rs"]
mod deaths;
#[path = "warm/ends.rs"]
mod ends;
#[path = "warm/serving.rs"]
mod serving;

use std::time::Duration;

use common::{Ask, Service, eventually, marked};
use serde_json::Value;

/// Of `--slow-start`.
const SLOW: Duration = Duration::from_secs(2);
/// Nobody who waits for a slow start gets an answer in this time.
const FAST: Duration = Duration::from_secs(1);

/// How many spares of backend `a` are starting, and how many are warm.
async fn spares(service: &Service) -> (u64, u64) {
    let shown = Ask::new("GET", "/api/v1/backends/a").send(&service.admin).await.json().await;
    let count = |state: &str| shown["spares"][state].as_u64().unwrap();
    (count("starting"), count("warm"))
}

/// Waits until so many are warm and none is on its way.
async fn all_warm(service: &Service, wanted: u64) {
    let warm = async || (spares(service).await == (0, wanted)).then_some(());
    eventually("the reserve is filled", warm).await;
}

/// The processes that belong to no session.
async fn reserve(service: &Service) -> Vec<u32> {
    let connections = service.connections().await;
    let used: Vec<u32> = connections.iter().filter_map(pid_of).collect();
    marked(&service.instance).into_iter().filter(|pid| !used.contains(pid)).collect()
}

/// The only process in reserve, once it is warm.
async fn the_spare(service: &Service) -> u32 {
    all_warm(service, 1).await;
    let alone = async || <[u32; 1]>::try_from(reserve(service).await).ok();
    eventually("one process is in reserve", alone).await[0]
}

fn pid_of(connection: &Value) -> Option<u32> {
    connection["pid"].as_u64()?.try_into().ok()
}

async fn used(service: &Service, result: &str) -> f64 {
    service.metric(&format!(r#"mcpvisor_spares_used_total{{backend="a",result="{result}"}}"#)).await
}

async fn lost(service: &Service) -> f64 {
    service.metric(r#"mcpvisor_spares_lost_total{backend="a"}"#).await
}

/// No session has been charged for anything.
async fn nobody_has_an_error(service: &Service) {
    for connection in service.connections().await {
        assert_eq!(
            (&connection["error_count"], &connection["total_errors"]),
            (&0.into(), &0.into()),
            "{connection}"
        );
    }
    let faults = service.metrics().await;
    let counted = faults.lines().filter(|line| line.starts_with("mcpvisor_faults_total{"));
    assert!(counted.clone().count() > 0);
    counted.for_each(|line| assert!(line.ends_with(" 0"), "{line}"));
}
