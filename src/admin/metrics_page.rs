//! `GET /metrics`

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::{Admin, LIVE};
use crate::telemetry::own_process::own_process;
use crate::telemetry::page::page as page_of;

/// What Prometheus expects of the text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Put together off the runtime, whose workers have better things to do than to write a long text.
pub(super) async fn page(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    admin.launcher.measure(LIVE).await;
    let (metrics, children) = (admin.metrics.clone(), admin.launcher.children());
    let runtime = tokio::runtime::Handle::current().metrics();
    let text = move || page_of(&metrics, &children, &runtime, own_process().as_ref());
    let text = tokio::task::spawn_blocking(text).await.unwrap_or_default();
    ([(header::CONTENT_TYPE, FORMAT)], text)
}
