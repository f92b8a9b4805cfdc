//! `POST /api/v1/reload[?dry_run=true]`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Admin, error};
use crate::app::reload::report::Outcome;

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    dry_run: bool,
}

/// 200 with what has changed, 422 with everything that is wrong, 503 where the service is ending.
pub(super) async fn reload(
    State(admin): State<Arc<Admin>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let wanted = match wanted {
        Ok(Query(wanted)) => wanted,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, wrong.body_text()),
    };
    let Some(report) = admin.reloads.order("api", wanted.dry_run).await else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "the service is ending");
    };
    let status = match report.result {
        Outcome::Ok | Outcome::Unchanged => StatusCode::OK,
        Outcome::Failed => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Ending => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report)).into_response()
}
