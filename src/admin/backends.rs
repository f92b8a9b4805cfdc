//! `GET /api/v1/backends` and `/api/v1/backends/{id}`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mcpvisor_actors::{BackendState, ConnectionMetadata, Phase};
use mcpvisor_config::{Backend, Transport, UpstreamKind, nearest};

use super::views::{BackendView, BackendsView};
use super::{Admin, error};
use crate::telemetry::recorder::Counts;

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<BackendsView> {
    let known = Known::ask(&admin).await;
    let config = admin.launcher.config();
    let backends = config.backends.values().map(|backend| known.view(backend));
    Json(BackendsView { backends: backends.collect() })
}

pub(super) async fn one(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Response {
    match admin.launcher.config().backends.get(&id) {
        Some(backend) => Json(Known::ask(&admin).await.view(backend)).into_response(),
        None => unknown(&admin, &id),
    }
}

/// No such backend, and the one that may have been meant.
pub(super) fn unknown(admin: &Admin, id: &str) -> Response {
    let config = admin.launcher.config();
    let near = nearest(id, config.backends.keys().map(String::as_str));
    let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
    error(StatusCode::NOT_FOUND, format!("no backend '{id}' is configured{near}"))
}

/// All that a view is made from.
struct Known {
    connections: Vec<ConnectionMetadata>,
    states: Vec<BackendState>,
    counts: Counts,
}

impl Known {
    async fn ask(admin: &Admin) -> Self {
        let (connections, states) = (admin.launcher.list().await, admin.launcher.backends().await);
        Self { connections, states, counts: admin.metrics.counts() }
    }

    fn view(&self, backend: &Backend) -> BackendView {
        let phases = || {
            let own =
                self.connections.iter().filter(|connection| *connection.key.backend_id == *backend.name);
            own.map(|connection| connection.phase)
        };
        let in_phase = |phase| phases().filter(|found| *found == phase).count();
        let by_phase: BTreeMap<_, _> =
            Phase::ALL.map(|phase| (phase.as_str().to_owned(), in_phase(phase))).into();
        let total = |name: &str| self.counts.total(name, &backend.name, None);
        let state = self.states.iter().find(|state| *state.name == *backend.name);
        let spares = |count: fn(&BackendState) -> usize| state.map_or(0, count);
        let breaker_open = state.is_some_and(|state| state.breaker_open);
        let status = if breaker_open { "error" } else { status(backend.disabled, phases()) };
        BackendView {
            name: backend.name.clone(),
            status: status.to_owned(),
            breaker_open,
            stopped_by_operator: state.is_some_and(|state| state.stopped_by_operator),
            transport: transport(&backend.transport).to_owned(),
            path: format!("/mcp/{}", backend.name),
            connections: by_phase,
            spares: [
                ("starting", spares(|state| state.spares_starting)),
                ("warm", spares(|state| state.spares_warm)),
            ]
            .map(|(state, count)| (state.to_owned(), count))
            .into(),
            launches: self.counts.total("mcpvisor_launches_total", &backend.name, Some("result=\"ok\"")),
            restarts: total("mcpvisor_restarts_total"),
            faults: total("mcpvisor_faults_total"),
            stops: total("mcpvisor_max_error_stops_total") + total("mcpvisor_fatal_stops_total"),
            max_error_count: backend.pool.max_error_count,
        }
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
