//! `GET /api/v1/backends` and `/api/v1/backends/{id}`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mcpvisor_actors::{ConnectionMetadata, Phase};
use mcpvisor_config::{Backend, Transport, UpstreamKind, nearest};

use super::views::{BackendView, BackendsView};
use super::{Admin, error};
use crate::telemetry::recorder::Counts;

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<BackendsView> {
    let (connections, counts) = (admin.launcher.list().await, admin.metrics.counts());
    let backends = admin.config.backends.values().map(|backend| view(backend, &connections, &counts));
    Json(BackendsView { backends: backends.collect() })
}

pub(super) async fn one(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Response {
    let Some(backend) = admin.config.backends.get(&id) else {
        let near = nearest(&id, admin.config.backends.keys().map(String::as_str));
        let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        return error(StatusCode::NOT_FOUND, format!("no backend '{id}' is configured{near}"));
    };
    let (connections, counts) = (admin.launcher.list().await, admin.metrics.counts());
    Json(view(backend, &connections, &counts)).into_response()
}

fn view(backend: &Backend, connections: &[ConnectionMetadata], counts: &Counts) -> BackendView {
    let phases = || {
        let own = connections.iter().filter(|connection| *connection.key.backend_id == *backend.name);
        own.map(|connection| connection.phase)
    };
    let in_phase = |phase| phases().filter(|found| *found == phase).count();
    let by_phase: BTreeMap<_, _> =
        Phase::ALL.map(|phase| (phase.as_str().to_owned(), in_phase(phase))).into();
    let total = |name: &str| counts.total(name, &backend.name, None);
    BackendView {
        name: backend.name.clone(),
        status: status(backend.disabled, phases()).to_owned(),
        transport: transport(&backend.transport).to_owned(),
        path: format!("/mcp/{}", backend.name),
        connections: by_phase,
        launches: counts.total("mcpvisor_launches_total", &backend.name, Some("result=\"ok\"")),
        restarts: total("mcpvisor_restarts_total"),
        faults: total("mcpvisor_faults_total"),
        stops: total("mcpvisor_max_error_stops_total") + total("mcpvisor_fatal_stops_total"),
        max_error_count: backend.pool.max_error_count,
    }
}

fn status(disabled: bool, mut phases: impl Iterator<Item = Phase>) -> &'static str {
    let Some(first) = phases.next() else {
        return if disabled { "disabled" } else { "stopped" };
    };
    if first == Phase::Stopped && phases.all(|phase| phase == Phase::Stopped) { "error" } else { "running" }
}

fn transport(transport: &Transport) -> &'static str {
    match transport {
        Transport::Stdio { .. } => "stdio",
        Transport::Http { kind: UpstreamKind::Http, .. } => "http",
        Transport::Http { kind: UpstreamKind::Sse, .. } => "sse",
    }
}

#[cfg(test)]
mod tests {
    use mcpvisor_actors::Phase;

    use super::status;

    #[test]
    fn a_backend_is_in_error_only_when_none_of_its_connections_is_any_good() {
        assert_eq!(status(false, [].into_iter()), "stopped");
        assert_eq!(status(true, [].into_iter()), "disabled");
        assert_eq!(status(false, [Phase::Stopped, Phase::Stopped].into_iter()), "error");
        assert_eq!(status(false, [Phase::Stopped, Phase::BackingOff].into_iter()), "running");
    }
}
