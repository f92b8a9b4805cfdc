//! The admin listener: metrics, what runs, and orders, for operators and machines.
//!
//! What is served where stands in [`routes`]. Every request passes [`access`] first: the host it names, the origin it comes from, and a key where
//! `auth.admin_keys` has any.

mod access;
mod backends;
mod connections;
mod event_log;
mod events;
mod log_level;
mod metrics_page;
mod openapi;
mod operate;
mod reload;
mod routes;
mod stderr;
pub mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, middleware};
use hyper_util::service::TowerToHyperService;
use mcpvisor_actors::Launcher;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::reload::Reloads;
use crate::listen::Listening;
use crate::telemetry::log::LogLevel;
use crate::telemetry::recorder::Metrics;
use crate::tls::Tls;
pub use access::AccessRules;
pub use event_log::EventLog;

/// How long the Registry may take to answer `/livez`.
const LIVE: Duration = Duration::from_secs(1);
/// How often histograms are moved into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// What the admin listener answers from.
pub struct Admin {
    launcher: Launcher,
    metrics: Metrics,
    access: AccessRules,
    reloads: Reloads,
    events: EventLog,
    log_level: LogLevel,
    /// The end: streams end with it.
    stop: CancellationToken,
}

impl Admin {
    /// Over the service's tree, metrics, reloads, events and log; until `stop`.
    pub fn new(
        launcher: Launcher,
        metrics: Metrics,
        reloads: Reloads,
        events: EventLog,
        log_level: LogLevel,
        stop: CancellationToken,
    ) -> Self {
        let config = launcher.config();
        metrics.configured(&config);
        Self { access: AccessRules::new(&config), launcher, metrics, reloads, events, log_level, stop }
    }

    /// Who may use it, for those who change that.
    pub fn access(&self) -> AccessRules {
        self.access.clone()
    }

    /// Serves `listener` until the end; requests in flight then still get their answers.
    pub async fn serve(self, listener: TcpListener, tls: Tls) {
        let (stop, launcher) = (self.stop.clone(), self.launcher.clone());
        let access = self.access.clone();
        let metrics = self.metrics.clone();
        let router = routes::router()
            .fallback(unknown)
            .method_not_allowed_fallback(wrong_method)
            .layer(middleware::from_fn_with_state(access, access::check))
            .with_state(Arc::new(self));
        // The last file descriptors are for those who want to know why there are no more.
        let listening = Listening { spares_descriptors: false, http: move || launcher.config().http, tls };
        let service = |_| TowerToHyperService::new(router.clone());
        tokio::select! {
            () = listening.serve(listener, stop, service) => {}
            () = keep_up(metrics) => {}
        }
    }
}

/// An error as every route of this listener says it.
pub(crate) fn error(status: StatusCode, what: impl Into<String>) -> Response {
    (status, Json(json!({ "error": what.into() }))).into_response()
}

async fn live(State(admin): State<Arc<Admin>>) -> Response {
    if admin.launcher.alive(LIVE).await {
        return "ok\n".into_response();
    }
    error(StatusCode::SERVICE_UNAVAILABLE, "the registry does not answer")
}

async fn unknown(uri: Uri) -> Response {
    let known = "/metrics, /livez, /api/v1/backends, /api/v1/connections, /api/v1/events, /api/v1/log-level";
    let text = format!("nothing at {}; this listener has {known}; see /api/v1/openapi.json", uri.path());
    error(StatusCode::NOT_FOUND, text)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let methods = routes::methods_at(uri.path()).join(" and ");
    error(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} is asked with {methods}, not with {method}", uri.path()),
    )
}

async fn keep_up(metrics: Metrics) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        metrics.upkeep();
    }
}
