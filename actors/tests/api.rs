//! The public names, one test per symbol: what the embedding program may rely on.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::*;
use mcpvisor_actors::{
    CancellationToken, ConnectionKey, ConnectionState, DEFAULT_CLEANUP_INTERVAL, DEFAULT_IDLE_TIMEOUT,
    DEFAULT_MAX_ERROR_COUNT, Launcher, OpenTransport, Phase, PoolConfig, SessionConnectionPool,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// An in-process server on a duplex: answers initialize and echoes the params of everything else.
fn in_process() -> OpenTransport {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(theirs));
    let (reader, writer) = tokio::io::split(ours);
    OpenTransport::new(reader, writer)
}

async fn serve(stream: DuplexStream) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).unwrap();
        let Some(id) = message.get("id") else { continue };
        let result = match message["method"].as_str() {
            Some("initialize") => {
                json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "d", "version": "1"}})
            }
            Some("end") => return,
            _ => message["params"].clone(),
        };
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
        writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    }
}

async fn pool() -> SessionConnectionPool {
    SessionConnectionPool::new(CancellationToken::new()).await.unwrap()
}

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

#[tokio::test]
async fn get_never_launches() {
    let launcher = launcher(&backend("b", &[], "")).await;
    assert!(launcher.pool().get("b", "s").await.is_none());
    assert!(launcher.list().await.is_empty());
    launcher.get_or_launch_for_session("b", "s").await.unwrap();
    assert!(launcher.pool().get("b", "s").await.is_some());
    launcher.close().await;
}

#[tokio::test]
async fn set_puts_an_open_transport_under_supervision() {
    let pool = pool().await;
    let connection = pool.set("mine", "s", in_process()).await.unwrap();
    let answer = connection.request("anything", &json!({"x": 1.50, "y": null})).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains(r#""x":1.5"#), "{answer:?}");
    assert_eq!(pool.size().await, 1);
    pool.stop().await;
}

#[tokio::test]
async fn set_on_a_live_key_replaces_it_and_forgets_its_errors() {
    let pool = pool().await;
    pool.set("mine", "s", in_process()).await.unwrap();
    pool.record_error("mine", "s").await;
    let before = pool.get_metadata("mine", "s").await.unwrap();
    pool.set("mine", "s", in_process()).await.unwrap();
    eventually("the new one serves", async || {
        let now = pool.get_metadata("mine", "s").await.unwrap();
        now.incarnation > before.incarnation && now.phase == Phase::Ready && now.error_count == 0
    })
    .await;
    pool.stop().await;
}

#[tokio::test]
async fn a_set_transport_that_ends_is_stopped_where_no_backend_is_configured() {
    let pool = pool().await;
    let connection = pool.set("mine", "s", in_process()).await.unwrap();
    connection.request("end", &json!({})).await.unwrap_err();
    eventually("stopped", async || {
        pool.get_metadata("mine", "s").await.unwrap().state == ConnectionState::Closed
    })
    .await;
    let metadata = pool.get_metadata("mine", "s").await.unwrap();
    assert_eq!((metadata.total_errors, metadata.restarts), (1, 0), "one end is one error");
    pool.stop().await;
}

#[tokio::test]
async fn delete_ends_the_processes_before_it_returns() {
    let launcher = launcher(&backend("b", &["--grandchild"], "")).await;
    let pid = pid(&launcher.get_or_launch_for_session("b", "s").await.unwrap()).await;
    assert!(launcher.pool().delete("b", "s").await);
    assert!(!exists(pid));
    assert!(!launcher.pool().delete("b", "s").await, "there is nothing left to delete");
    assert_eq!(launcher.pool().size().await, 0);
    launcher.close().await;
}

#[tokio::test]
async fn get_metadata_is_a_copy_of_what_is_known() {
    let launcher = launcher(&backend("b", &[], "")).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    let pid = pid(&connection).await;
    let metadata = launcher.pool().get_metadata("b", "s").await.unwrap();
    assert_eq!(metadata.pid, Some(pid));
    assert_eq!((metadata.request_count, metadata.error_count, metadata.in_flight), (1, 0, 0));
    assert_eq!((metadata.state, metadata.phase), (ConnectionState::Active, Phase::Ready));
    assert!(metadata.created_at <= metadata.last_used_at);
    assert!(call(&metadata.connection, "echo", json!({"message": "x"})).await.is_ok());
    assert!(launcher.pool().get_metadata("b", "other").await.is_none());
    launcher.close().await;
}

#[tokio::test]
async fn record_error_counts_and_stops_past_the_limit() {
    let settings = PoolConfig { max_error_count: 2, ..PoolConfig::default() };
    let pool = SessionConnectionPool::with_config(settings, CancellationToken::new()).await.unwrap();
    let connection = pool.set("mine", "s", in_process()).await.unwrap();
    assert_eq!(pool.record_error("mine", "s").await, Some(1));
    assert_eq!(pool.record_error("mine", "s").await, Some(2));
    connection.request("ok", &json!({})).await.unwrap();
    assert_eq!(pool.record_error("mine", "s").await, Some(3));
    eventually("stopped", async || pool.get_metadata("mine", "s").await.unwrap().phase == Phase::Stopped)
        .await;
    assert_eq!(connection.request("no", &json!({})).await.unwrap_err().kind(), "backend_unavailable");
    assert_eq!(pool.record_error("mine", "nobody").await, None);
    pool.stop().await;
}

#[tokio::test]
async fn list_and_size_tell_all_connections_in_order() {
    let pool = pool().await;
    for session in ["2", "1", "3"] {
        pool.set("mine", session, in_process()).await.unwrap();
    }
    let sessions: Vec<_> = pool.list().await.iter().map(|entry| entry.key.session_id.to_string()).collect();
    assert_eq!(sessions, ["1", "2", "3"]);
    assert_eq!(pool.size().await, 3);
    pool.stop().await;
    assert_eq!(pool.size().await, 0);
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
