//! Many sessions of a server that cannot live.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use crate::common::{Client, Service, all, code, eventually, marked, reason};
use crate::world::{Bystander, PROMPT, config};

const SESSIONS: u32 = 50;
const LIMIT: u32 = 3;

/// A bad release of one server would take down all the others, or be started for ever.
#[tokio::test]
async fn fifty_crash_loops_end_at_their_limit_and_a_healthy_backend_does_not_notice() {
    let settings =
        format!("pool.max_error_count = {LIMIT}\nbackoff.min = \"20ms\"\nbackoff.max = \"200ms\"\n");
    let mut service = Service::start(&config(&["--die-after-handshake"], &settings)).await;
    let healthy = Bystander::open(&service, "good").await;
    let crash_all = async {
        let clients = all((0..SESSIONS).map(|_| Client::open(&service, "bad"))).await;
        let all_stopped = async || {
            let shown = service.connections().await;
            let mut own = shown.iter().filter(|one| one["backend"] == "bad");
            own.all(|one| one["phase"] == "stopped" && one["pid"].is_null()).then_some(())
        };
        eventually("every one of them is stopped, and its process gone", all_stopped).await;
        clients
    };
    let clients = healthy.during(crash_all).await;

    let shown = service.connections().await;
    let own: Vec<_> = shown.iter().filter(|one| one["backend"] == "bad").collect();
    assert_eq!(own.len(), SESSIONS as usize, "{shown:?}");
    for one in own {
        assert_eq!((&one["error_count"], &one["restarts"]), (&json!(LIMIT + 1), &json!(LIMIT)), "{one}");
    }
    let sums = [
        (r#"mcpvisor_faults_total{backend="bad",reason="exit"}"#, SESSIONS * (LIMIT + 1)),
        (r#"mcpvisor_restarts_total{backend="bad",reason="exit"}"#, SESSIONS * LIMIT),
        (r#"mcpvisor_max_error_stops_total{backend="bad"}"#, SESSIONS),
        (r#"mcpvisor_faults_total{backend="good",reason="exit"}"#, 0),
    ];
    for (series, expected) in sums {
        assert_eq!(service.metric(series).await, f64::from(expected), "{series}");
    }

    // Each session is still there, and is told when to come again.
    let refused = async {
        for client in &clients {
            let start = Instant::now();
            let answer = client.call("counter", json!({})).await;
            assert!(start.elapsed() < PROMPT, "refused only after {:?}", start.elapsed());
            assert_eq!((code(&answer), reason(&answer)), (-31002, "cooling"), "{answer}");
            assert!(answer["error"]["data"]["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{answer}");
        }
    };
    healthy.during(refused).await;
    assert_eq!(marked(&service.instance).len(), 1, "only the healthy one has a server");
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}
