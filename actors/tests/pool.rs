//! The public names of the pool, one test per symbol.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::*;
use mcpvisor_actors::{CancellationToken, ConnectionState, Phase, PoolConfig, SessionConnectionPool};
use serde_json::json;

async fn pool() -> SessionConnectionPool {
    SessionConnectionPool::new(CancellationToken::new()).await.unwrap()
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

/// A caller would go on with a server that has forgotten what they did, or could never begin anew.
#[tokio::test]
async fn a_session_that_ends_with_its_server_is_over_for_its_handles_only() {
    let launcher =
        launcher(&backend("b", &[], "on_restart = \"end_session\"\npool.max_error_count = 0")).await;
    let stopped = launcher.get_or_launch_for_session("b", "stopped").await.unwrap();
    launcher.pool().record_error("b", "stopped").await;
    let killed = launcher.get_or_launch_for_session("b", "killed").await.unwrap();
    kill_9(pid(&killed).await);
    for (session, connection) in [("stopped", stopped), ("killed", killed)] {
        eventually("forgotten", async || launcher.pool().get("b", session).await.is_none()).await;
        let refusal = connection.request("ping", &json!({})).await.unwrap_err();
        assert_eq!((refusal.kind(), refusal.reason()), ("session_ended", "end_session"));
        let anew = launcher.get_or_launch_for_session("b", session).await.unwrap();
        assert_eq!(call(&anew, "counter", json!({})).await.unwrap(), "1");
    }
    launcher.close().await;
}

/// Who puts another transport in its place knows what is lost, and would be left with none.
#[tokio::test]
async fn a_transport_set_in_place_of_another_ends_no_session() {
    let launcher = launcher(&backend("b", &[], "on_restart = \"end_session\"")).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    let pid = pid(&connection).await;
    launcher.pool().set("b", "s", in_process()).await.unwrap();
    eventually("the old one is gone", async || !exists(pid)).await;
    let answer = connection.request("anything", &json!({"x": 1})).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains(r#""x":1"#), "{answer:?}");
    launcher.close().await;
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
