//! What is logged, and where it goes when nobody reads it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::common::{Ask, Client, Service, backend, eventually};
use super::{ask, complaining, json as ask_json};

async fn put(service: &Service, body: Value) -> (u16, Value) {
    let ask = Ask::new("PUT", "/api/v1/log-level").header("content-type", "application/json");
    let reply = ask.body(body.to_string()).send(&service.admin).await;
    (reply.status, reply.json().await)
}

/// To see more of a fault one would have to restart the service, and the fault would be gone.
#[tokio::test]
async fn the_log_level_changes_while_the_service_runs() {
    let folder = tempfile::TempDir::new().unwrap();
    let service = Service::start_with(folder, &complaining("a", ""), &[], &[("RUST_LOG", "info")]).await;
    Client::open(&service, "a").await.pid().await;
    assert!(!service.log().contains("trouble is coming"), "what servers say is told at debug");
    assert_eq!(ask_json(&service, "GET", "/api/v1/log-level").await, (200, json!({ "level": "info" })));

    let level = "info,mcpvisor::backend=debug";
    let changed = put(&service, json!({ "level": level })).await;
    assert_eq!(changed, (200, json!({ "level": level, "former": "info" })));
    Client::open(&service, "a").await.pid().await;
    let told = async || service.log().contains("trouble is coming").then_some(());
    eventually("what the server says is logged", told).await;
    assert!(service.log().contains("log.level_changed"));

    for (wrong, cause) in [
        (json!({ "level": "loud,a=nonsense" }), "is no log filter"),
        (json!({ "lvel": "info" }), "lvel"),
        (json!([]), "level"),
    ] {
        let (status, error) = put(&service, wrong.clone()).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(error["error"].as_str().unwrap().contains(cause), "{wrong}: {error}");
    }
    let now = ask_json(&service, "GET", "/api/v1/log-level").await;
    assert_eq!(now, (200, json!({ "level": level })), "what was refused changed nothing");
}

/// A service that is told twice to end would not, because nobody listens to why.
#[tokio::test]
async fn the_last_words_are_not_waited_for_for_ever() {
    let script = "mkfifo pipe-of-nobody; exec 2<>pipe-of-nobody; head -c 65536 /dev/zero >&2";
    let mut service = Service::start_after(script, &backend("a", &[], ""), &[]).await;
    let client = Client::open(&service, "a").await;
    let ended = async {
        service.in_flight(1).await;
        service.signal(Signal::TERM);
        let draining = async || (service.get("/readyz").await.status == 503).then_some(());
        eventually("it drains", draining).await;
        service.signal(Signal::TERM);
    };
    let ask = client.ask(
        client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 60_000 } })).to_string(),
    );
    tokio::select! {
        reply = ask.send_patiently(&service.main) => panic!("answered with {}", reply.status),
        () = ended => {}
    }
    assert_eq!(service.ended().await.code(), Some(1));
}

/// A log collector that hangs would hang the service with it.
#[tokio::test]
async fn a_log_that_nobody_reads_loses_lines_and_stops_nobody() {
    // Opened for both, so that it is full after 64 KiB and never breaks.
    let script = "mkfifo pipe-of-nobody 2>/dev/null; exec 2<>pipe-of-nobody";
    let mut service =
        Service::start_after(script, &backend("a", &["--flood"], ""), &["telemetry.log_level=trace"]).await;
    let client = Client::open(&service, "a").await;
    for _ in 0..20 {
        client.text("flood", json!({ "stream": "stderr", "what": "lines", "bytes": 2000 })).await;
    }
    let dropped = async || {
        for _ in 0..100 {
            let answer = ask(&service, "POST", "/api/v1/backends/a/stop").await;
            assert_eq!(answer.status, 200);
            assert_eq!(ask(&service, "POST", "/api/v1/backends/a/start").await.status, 200);
        }
        (service.metric("mcpvisor_log_lines_dropped_total").await > 0.0).then_some(())
    };
    eventually("lines are dropped and counted", dropped).await;
    let started = Instant::now();
    client.pid().await;
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

/// The last lines, which say why, would be the ones that are missing.
#[tokio::test]
async fn at_the_end_all_that_was_logged_is_written() {
    let mut service = Service::start(&backend("a", &[], "")).await;
    Client::open(&service, "a").await.pid().await;
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(service.log().lines().last().unwrap().contains("service.drained"), "{}", service.log());
}
