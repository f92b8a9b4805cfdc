//! `GET /api/v1/connections` and `/api/v1/connections/{backend}/{session}`

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use mcpvisor_actors::{ConnectionKey, ConnectionMetadata, ConnectionState, resident_bytes};

use super::views::{ConnectionView, ConnectionsView};
use super::{Admin, backends, error};

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<ConnectionsView> {
    Json(ConnectionsView { connections: views(&admin.launcher.list().await).await })
}

pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    Path((backend, session)): Path<(String, String)>,
) -> Response {
    let found = find(&admin, &backend, &session).await;
    match views(found.as_slice()).await.pop() {
        Some(view) => Json(view).into_response(),
        None => missing(&admin, &backend, &session),
    }
}

/// The connection of the session with this hash.
pub(super) async fn find(admin: &Admin, backend: &str, session: &str) -> Option<ConnectionMetadata> {
    let is_it = |key: &ConnectionKey| &*key.backend_id == backend && key.session_hash() == session;
    admin.launcher.list().await.into_iter().find(|connection| is_it(&connection.key))
}

/// There is no such connection.
pub(super) fn missing(admin: &Admin, backend: &str, session: &str) -> Response {
    if !admin.launcher.config().backends.contains_key(backend) {
        return backends::unknown(admin, backend);
    }
    let text =
        format!("backend '{backend}' has no connection of session '{session}'; see /api/v1/connections");
    error(StatusCode::NOT_FOUND, text)
}

async fn views(connections: &[ConnectionMetadata]) -> Vec<ConnectionView> {
    let pids: Vec<Option<u32>> = connections.iter().map(|connection| connection.pid).collect();
    let memory = resident_bytes(pids).await;
    let with_memory = connections.iter().zip(memory.into_iter().chain(std::iter::repeat(None)));
    with_memory.map(|(connection, rss)| view(connection, rss)).collect()
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
