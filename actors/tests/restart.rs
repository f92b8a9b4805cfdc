//! A crash, as the caller of the library sees it.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use mcpvisor_actors::{FaultReason, Phase, Refusal};
use serde_json::json;

/// A user whose server is killed gets an error at once for the call in flight, and the next call works.
#[tokio::test]
async fn a_killed_child_is_replaced_and_the_call_in_flight_is_answered_at_once() {
    let launcher = launcher(&backend("b", &[], "")).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    let first = pid(&connection).await;
    let slow = tokio::spawn({
        let connection = connection.clone();
        async move { call(&connection, "sleep", json!({ "ms": 60_000 })).await }
    });
    eventually("the slow call is in flight", async || only(&launcher).await.in_flight == 1).await;
    let killed = Instant::now();
    kill_9(first);
    let refusal = slow.await.unwrap().unwrap_err();
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    let Refusal::BackendLost { fault, retryable: false, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!((fault.reason, fault.signal), (FaultReason::Signal, Some(9)));
    let second = pid(&connection).await;
    assert_ne!(first, second);
    let metadata = only(&launcher).await;
    assert_eq!((metadata.restarts, metadata.error_count, metadata.phase), (1, 1, Phase::Ready));
    launcher.close().await;
    assert!(!exists(first) && !exists(second), "a process was left behind");
}

/// A call that can do no harm twice is sent once more, and the caller never hears of the crash.
#[tokio::test]
async fn a_read_only_call_survives_the_crash_of_its_server() {
    let flags = ["--slow", "500"];
    let launcher = launcher(&backend("b", &flags, "")).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    let first = only(&launcher).await.pid.unwrap();
    connection.request("tools/list", &json!({})).await.unwrap();
    let reading = tokio::spawn({
        let connection = connection.clone();
        async move { call(&connection, "echo", json!({ "message": "read only" })).await }
    });
    eventually("the call is in flight", async || only(&launcher).await.in_flight == 1).await;
    kill_9(first);
    assert!(reading.await.unwrap().unwrap().contains("read only"));
    assert_eq!(only(&launcher).await.restarts, 1);
    launcher.close().await;
}

/// The restart a user sees is bounded: past the limit the key is stopped and says so at once.
#[tokio::test]
async fn the_death_that_passes_the_limit_stops_the_connection() {
    let settings = "pool.max_error_count = 2\nbackoff.min = \"10ms\"";
    let launcher = launcher(&backend("b", &["--die-after-handshake"], settings)).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    eventually("stopped", async || only(&launcher).await.phase == Phase::Stopped).await;
    let metadata = only(&launcher).await;
    assert_eq!((metadata.error_count, metadata.total_errors, metadata.restarts), (3, 3, 2));
    let asked = Instant::now();
    let refusal = call(&connection, "echo", json!({"message": "x"})).await.unwrap_err();
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!((refusal.kind(), refusal.reason()), ("backend_unavailable", "cooling"));
    assert!(refusal.retry_after().is_some());
    launcher.close().await;
}

/// After the cooldown the next request starts it again with a clean sheet.
#[tokio::test]
async fn a_stopped_connection_launches_again_after_its_cooldown() {
    let starts = tempfile::NamedTempFile::new().unwrap();
    let flags =
        ["--die-after-handshake", "--only-first", "1", "--count-starts", starts.path().to_str().unwrap()];
    let launcher =
        launcher(&backend("b", &flags, "pool.max_error_count = 0\npool.cooldown = \"100ms\"")).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    eventually("stopped", async || only(&launcher).await.phase == Phase::Stopped).await;
    eventually("serving again", async || {
        call(&connection, "echo", json!({"message": "back"})).await.is_ok_and(|text| text.contains("back"))
    })
    .await;
    assert_eq!(only(&launcher).await.error_count, 0);
    launcher.close().await;
}

/// A command that does not exist is said at once, to everybody who waits, and is not tried again and again.
#[tokio::test]
async fn a_launch_that_cannot_succeed_says_why() {
    let launcher = launcher("[backends.b]\ncommand = \"/nowhere/mcp-server\"\n").await;
    let refusal = launcher.get_or_launch("b").await.unwrap_err();
    assert_eq!((refusal.kind(), refusal.reason()), ("launch_failed", "spawn"));
    assert!(refusal.to_string().contains("/nowhere/mcp-server"), "{refusal}");
    launcher.close().await;
}

/// A child that never answers `initialize` is given up after `timeouts.launch`, and killed.
#[tokio::test]
async fn a_hanging_launch_is_given_up_and_killed() {
    let launcher = launcher(&backend("b", &["--hang-initialize"], "timeouts.launch = \"300ms\"")).await;
    let refusal = launcher.get_or_launch("b").await.unwrap_err();
    assert_eq!((refusal.kind(), refusal.reason()), ("launch_failed", "launch_timeout"));
    eventually("forgotten", async || launcher.list().await.is_empty()).await;
    launcher.close().await;
}

/// Prints, JSON logs and bare values on standard output harm nobody.
#[tokio::test]
async fn garbage_on_standard_output_is_passed_over() {
    let launcher = launcher(&backend("b", &["--garbage"], "")).await;
    let connection = launcher.get_or_launch("b").await.unwrap();
    for _ in 0..20 {
        assert!(call(&connection, "echo", json!({"message": "fine"})).await.unwrap().contains("fine"));
    }
    assert_eq!(only(&launcher).await.total_errors, 0);
    launcher.close().await;
}

/// Every way to break the stream is one fault with its own name, and the next call works.
#[tokio::test]
async fn a_broken_stream_is_named_and_survived() {
    let cases: [(&str, &[&str], FaultReason); 5] = [
        ("crash", &["--crash-tool"], FaultReason::Exit),
        ("crash_mid", &["--crash-tool"], FaultReason::Exit),
        ("giant", &["--giant-line", "2000000"], FaultReason::Oversize),
        ("bad_frame", &["--bad-jsonrpc"], FaultReason::Protocol),
        ("close_stdout", &["--close-stdout"], FaultReason::Eof),
    ];
    for (tool, flags, reason) in cases {
        let launcher = launcher(&backend("b", flags, "limits.max_message_bytes = \"1MiB\"")).await;
        let connection = launcher.get_or_launch("b").await.unwrap();
        let refusal = call(&connection, tool, json!({})).await.unwrap_err();
        let Refusal::BackendLost { fault, .. } = &refusal else { panic!("{tool}: {refusal:?}") };
        assert_eq!(fault.reason, reason, "{tool}: {fault}");
        let text = call(&connection, "echo", json!({"message": "after"})).await.unwrap();
        assert!(text.contains("after"), "{tool}: {text}");
        assert_eq!(only(&launcher).await.total_errors, 1, "{tool}");
        launcher.close().await;
    }
}

/// A server that never reads cannot answer: its launch ends in time.
#[tokio::test]
async fn a_child_that_never_reads_fails_its_launch() {
    let launcher = launcher(&backend("b", &["--never-read"], "timeouts.launch = \"1s\"")).await;
    let refusal = launcher.get_or_launch("b").await.unwrap_err();
    assert_eq!(refusal.kind(), "launch_failed");
    launcher.close().await;
}
