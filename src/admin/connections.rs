//! `GET /api/v1/connections`

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use mcpvisor_actors::{ConnectionMetadata, ConnectionState};

use super::views::{ConnectionView, ConnectionsView};
use super::{Admin, process};

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<ConnectionsView> {
    let known = admin.launcher.list().await;
    let pids: Vec<Option<u32>> = known.iter().map(|connection| connection.pid).collect();
    let memory = process::resident_bytes(pids).await;
    let with_memory = known.iter().zip(memory.into_iter().chain(std::iter::repeat(None)));
    Json(ConnectionsView {
        connections: with_memory.map(|(connection, rss)| view(connection, rss)).collect(),
    })
}

fn view(connection: &ConnectionMetadata, rss: Option<u64>) -> ConnectionView {
    let (backend, session) = (connection.key.backend_id.to_string(), connection.key.session_hash());
    ConnectionView {
        key: format!("{backend}/{session}"),
        backend,
        session,
        phase: connection.phase.as_str().to_owned(),
        state: outside(connection.state).to_owned(),
        pid: connection.pid,
        incarnation: connection.incarnation,
        created_at: timestamp(connection.created_at),
        last_used_at: timestamp(connection.last_used_at),
        idle_seconds: connection.idle_for.as_millis() as f64 / 1000.0,
        request_count: connection.request_count,
        error_count: connection.error_count,
        max_error_count: connection.max_error_count,
        total_errors: connection.total_errors,
        restarts: connection.restarts,
        last_error: connection.last_error.as_deref().map(str::to_owned),
        in_flight: connection.in_flight,
        queued: connection.queued,
        rss,
    }
}

fn outside(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Active => "active",
        ConnectionState::Idle => "idle",
        ConnectionState::Closed => "closed",
    }
}

fn timestamp(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}
