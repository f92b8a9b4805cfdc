//! What an operator may do: `POST /api/v1/backends/{id}/{restart,stop,start}`,
//! `POST /api/v1/connections/{backend}/{session}/restart`, `DELETE /api/v1/connections/{backend}/{session}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::views::ReachedView;
use super::{Admin, backends, connections, error};

pub(super) async fn restart_backend(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Response {
    answer(&admin, &id, None, admin.launcher.restart(&id, None).await)
}

pub(super) async fn stop_backend(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Response {
    answer(&admin, &id, None, admin.launcher.stop_backend(&id).await)
}

pub(super) async fn start_backend(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Response {
    answer(&admin, &id, None, admin.launcher.start_backend(&id).await)
}

pub(super) async fn restart_session(
    State(admin): State<Arc<Admin>>,
    Path((id, session)): Path<(String, String)>,
) -> Response {
    answer(&admin, &id, Some(&session), admin.launcher.restart(&id, Some(&session)).await)
}

pub(super) async fn end_session(
    State(admin): State<Arc<Admin>>,
    Path((id, session)): Path<(String, String)>,
) -> Response {
    answer(&admin, &id, Some(&session), admin.launcher.end_session(&id, &session).await)
}

fn answer(admin: &Admin, id: &str, session: Option<&str>, reached: Option<usize>) -> Response {
    match (reached, session) {
        (Some(connections), _) => Json(ReachedView { connections }).into_response(),
        (None, Some(session)) => connections::missing(admin, id, session),
        (None, _) if admin.launcher.config().backends.get(id).is_some_and(|backend| backend.disabled) => {
            error(StatusCode::NOT_FOUND, format!("backend '{id}' is disabled in the configuration"))
        }
        (None, _) => backends::unknown(admin, id),
    }
}
