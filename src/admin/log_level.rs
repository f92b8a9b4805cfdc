//! `GET` and `PUT /api/v1/log-level`: what is logged, while the service runs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::views::{LogLevelChangeView, LogLevelView};
use super::{Admin, error};

/// What is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    level: String,
}

pub(super) async fn get(State(admin): State<Arc<Admin>>) -> Json<LogLevelView> {
    Json(LogLevelView { level: admin.log_level.get() })
}

/// Holds until the next start.
pub(super) async fn put(
    State(admin): State<Arc<Admin>>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Response {
    let level = match wanted {
        Ok(Json(wanted)) => wanted.level,
        Err(wrong) => {
            let text = format!(r#"{}; send {{"level": "debug"}} as application/json"#, wrong.body_text());
            return error(StatusCode::BAD_REQUEST, text);
        }
    };
    match admin.log_level.set(&level) {
        Ok(former) => {
            tracing::info!(event = "log.level_changed", level, former, "the log level was changed");
            Json(LogLevelChangeView { level, former }).into_response()
        }
        Err(wrong) => error(StatusCode::BAD_REQUEST, wrong),
    }
}
