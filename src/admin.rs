//! The admin listener: metrics, what runs, and orders, for operators and machines.
//!
//! `GET /metrics`, `/api/v1/connections`, `/api/v1/backends`, `/api/v1/backends/{id}`, `/livez`, and the orders of
//! [`operate`]. Every request passes [`access`] first: the host it names, the origin it comes from, and a key where
//! `auth.admin_keys` has any.

mod access;
mod backends;
mod connections;
mod metrics_page;
mod operate;
mod process;
mod reload;
pub mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use mcpvisor_actors::Launcher;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::reload::Reloads;
use crate::telemetry::recorder::Metrics;
pub use access::AccessRules;

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
}

impl Admin {
    /// Over the service's tree, settings and metrics.
    pub fn new(launcher: Launcher, metrics: Metrics, reloads: Reloads) -> Self {
        let config = launcher.config();
        metrics.configured(&config);
        Self { access: AccessRules::new(&config), launcher, metrics, reloads }
    }

    /// Who may use it, for those who change that.
    pub fn access(&self) -> AccessRules {
        self.access.clone()
    }

    /// Serves `listener` until `stop`; requests in flight then still get their answers.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let access = self.access.clone();
        let metrics = self.metrics.clone();
        let router = Router::new()
            .route("/metrics", get(metrics_page::page))
            .route("/api/v1/connections", get(connections::list))
            .route("/api/v1/backends", get(backends::list))
            .route("/api/v1/backends/{id}", get(backends::one))
            .route("/api/v1/backends/{id}/restart", post(operate::restart_backend))
            .route("/api/v1/backends/{id}/stop", post(operate::stop_backend))
            .route("/api/v1/backends/{id}/start", post(operate::start_backend))
            .route("/api/v1/connections/{backend}/{session}", delete(operate::end_session))
            .route("/api/v1/connections/{backend}/{session}/restart", post(operate::restart_session))
            .route("/api/v1/reload", post(reload::reload))
            .route("/livez", get(live))
            .fallback(unknown)
            .method_not_allowed_fallback(wrong_method)
            .layer(middleware::from_fn_with_state(access, access::check))
            .with_state(Arc::new(self));
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::select! {
            served = served => {
                if let Err(error) = served {
                    tracing::error!(%error, "the admin listener failed");
                }
            }
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
    let known = "/metrics, /api/v1/connections, /api/v1/backends, /api/v1/backends/{id}, /livez";
    error(StatusCode::NOT_FOUND, format!("nothing at {}; this listener has {known}", uri.path()))
}

async fn wrong_method() -> Response {
    let text =
        "not answered here in this method; what is read is asked for with GET, orders are given with POST";
    error(StatusCode::METHOD_NOT_ALLOWED, text)
}

async fn keep_up(metrics: Metrics) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        metrics.upkeep();
    }
}
