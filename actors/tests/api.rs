//! The public names, one test per symbol: what the embedding program may rely on.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::*;
use mcpvisor_actors::{
    CancellationToken, ConnectionKey, DEFAULT_CLEANUP_INTERVAL, DEFAULT_IDLE_TIMEOUT,
    DEFAULT_MAX_ERROR_COUNT, Launcher, PoolConfig,
};
use serde_json::json;

#[test]
fn the_defaults_are_those_the_field_knows() {
    assert_eq!(DEFAULT_IDLE_TIMEOUT, Duration::from_secs(1800));
    assert_eq!(DEFAULT_CLEANUP_INTERVAL, Duration::from_secs(300));
    assert_eq!(DEFAULT_MAX_ERROR_COUNT, 10);
    let shipped = config("").pool;
    assert_eq!(PoolConfig::default(), PoolConfig::from(&shipped), "default.toml says the same");
}

#[test]
fn a_connection_key_names_backend_and_session() {
    let key = ConnectionKey::new("memory", "s1");
    assert_eq!(
        (&*key.backend_id, &*key.session_id, key.to_string()),
        ("memory", "s1", "memory/s1".to_owned())
    );
}

#[tokio::test]
async fn launcher_new_launches_nothing_and_cancelling_its_token_closes_it() {
    let cancel = CancellationToken::new();
    let launcher = Launcher::new(config(&backend("b", &[], "")), cancel.clone()).await.unwrap();
    assert!(launcher.list().await.is_empty());
    let connection = launcher.get_or_launch("b").await.unwrap();
    let pid = pid(&connection).await;
    cancel.cancel();
    eventually("the child is gone", async || !exists(pid)).await;
    assert_eq!(launcher.get_or_launch("b").await.unwrap_err().kind(), "shutting_down");
}

#[tokio::test]
async fn get_or_launch_gives_everybody_the_same_connection() {
    let launcher = launcher(&backend("b", &[], "")).await;
    let one = launcher.get_or_launch("b").await.unwrap();
    let other = launcher.get_or_launch("b").await.unwrap();
    assert_eq!(pid(&one).await, pid(&other).await);
    assert_eq!(one.key().session_id.as_ref(), "shared");
    launcher.close().await;
}

#[tokio::test]
async fn get_or_launch_for_session_gives_each_session_its_own() {
    let launcher = launcher(&backend("b", &[], "")).await;
    let one = launcher.get_or_launch_for_session("b", "1").await.unwrap();
    let other = launcher.get_or_launch_for_session("b", "2").await.unwrap();
    let again = launcher.get_or_launch_for_session("b", "1").await.unwrap();
    assert_ne!(pid(&one).await, pid(&other).await);
    assert_eq!(pid(&one).await, pid(&again).await);
    launcher.close().await;
}

#[tokio::test]
async fn an_unknown_backend_is_named_with_the_nearest() {
    let launcher = launcher(&backend("memory", &[], "")).await;
    let refusal = launcher.get_or_launch("memroy").await.unwrap_err();
    assert_eq!(refusal.to_string(), "server 'memroy' not found in config; did you mean 'memory'?");
    launcher.close().await;
}

#[tokio::test]
async fn server_ids_are_the_served_backends_sorted() {
    let text = [backend("b", &[], ""), backend("a", &[], ""), backend("c", &[], "disabled = true")].concat();
    let launcher = launcher(&text).await;
    assert_eq!(launcher.server_ids(), ["a", "b"]);
    launcher.close().await;
}

#[tokio::test]
async fn close_ends_every_process_and_refuses_new_work() {
    let launcher = launcher(&backend("b", &["--ignore-eof"], "timeouts.stdin_grace = \"100ms\"")).await;
    let connection = launcher.get_or_launch("b").await.unwrap();
    let pid = pid(&connection).await;
    launcher.close().await;
    assert!(!exists(pid));
    assert_eq!(launcher.get_or_launch("b").await.unwrap_err().kind(), "shutting_down");
}

/// A hundred callers at once must not start a hundred servers.
#[tokio::test]
async fn a_hundred_callers_of_one_key_start_one_process() {
    let starts = tempfile::NamedTempFile::new().unwrap();
    let flags = ["--slow-start", "200", "--count-starts", starts.path().to_str().unwrap()];
    let launcher = launcher(&backend("b", &flags, "")).await;
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let launcher = launcher.clone();
            tokio::spawn(
                async move { pid(&launcher.get_or_launch_for_session("b", "s").await.unwrap()).await },
            )
        })
        .collect();
    let mut pids = Vec::new();
    for caller in callers {
        pids.push(caller.await.unwrap());
    }
    pids.dedup();
    assert_eq!(pids.len(), 1);
    assert_eq!(launcher.list().await.len(), 1);
    launcher.close().await;
}

/// One server that starts slowly must not hold up the others.
#[tokio::test]
async fn a_slow_launch_delays_no_other_key() {
    let text = [backend("slow", &["--slow-start", "3000"], ""), backend("fast", &[], "")].concat();
    let launcher = launcher(&text).await;
    let slow = tokio::spawn({
        let launcher = launcher.clone();
        async move { launcher.get_or_launch("slow").await.map(drop) }
    });
    eventually("the slow one launches", async || launcher.list().await.len() == 1).await;
    let asked = std::time::Instant::now();
    launcher.get_or_launch("fast").await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(!slow.is_finished());
    slow.await.unwrap().unwrap();
    launcher.close().await;
}

/// Everybody who waits for a launch hears of its failure, with the cause.
#[tokio::test]
async fn a_failed_launch_fails_all_its_waiters_with_the_cause() {
    let launcher = launcher(&backend("b", &["--slow-start", "200", "--die-in-initialize"], "")).await;
    let waiters: Vec<_> = (0..10)
        .map(|_| {
            let launcher = launcher.clone();
            tokio::spawn(async move { launcher.get_or_launch("b").await.map(drop) })
        })
        .collect();
    for waiter in waiters {
        let refusal = waiter.await.unwrap().unwrap_err();
        assert_eq!((refusal.kind(), refusal.reason()), ("launch_failed", "exit"), "{refusal}");
    }
    launcher.close().await;
}

/// An idle server is closed at the clean-up, not before; its next request launches it again.
#[tokio::test]
async fn an_idle_connection_is_evicted_and_comes_back_when_needed() {
    let settings = "pool.idle_timeout = \"300ms\"\npool.cleanup_interval = \"100ms\"";
    let launcher = launcher(&backend("b", &[], settings)).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    let first = pid(&connection).await;
    eventually("evicted", async || launcher.list().await.is_empty()).await;
    assert!(!exists(first));
    assert_ne!(pid(&connection).await, first, "the handle still works");
    assert_eq!(only(&launcher).await.restarts, 0, "a launch after eviction is no restart");
    launcher.close().await;
}

/// A connection with work in flight is in use, however long that takes.
#[tokio::test]
async fn a_busy_connection_is_not_evicted() {
    let settings = "pool.idle_timeout = \"100ms\"\npool.cleanup_interval = \"50ms\"";
    let launcher = launcher(&backend("b", &[], settings)).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    assert!(call(&connection, "sleep", json!({"ms": 1500})).await.is_ok());
    launcher.close().await;
}
