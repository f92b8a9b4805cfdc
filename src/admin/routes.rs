//! What is served where: the one list, which `openapi.json` is compared with.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::{
    Admin, backends, connections, events, live, log_level, metrics_page, openapi, operate, reload, stderr,
};

/// One of them.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    serve: MethodRouter<Arc<Admin>>,
}

/// All of them.
pub(super) fn all() -> Vec<Route> {
    const ONE: &str = "/api/v1/connections/{backend}/{session}";
    vec![
        get("/metrics", metrics_page::page),
        get("/livez", live),
        get("/api/v1/backends", backends::list),
        get("/api/v1/backends/{id}", backends::one),
        post("/api/v1/backends/{id}/restart", operate::restart_backend),
        post("/api/v1/backends/{id}/stop", operate::stop_backend),
        post("/api/v1/backends/{id}/start", operate::start_backend),
        get("/api/v1/connections", connections::list),
        get(ONE, connections::one),
        route("DELETE", ONE, on(MethodFilter::DELETE, operate::end_session)),
        post("/api/v1/connections/{backend}/{session}/restart", operate::restart_session),
        get("/api/v1/connections/{backend}/{session}/stderr", stderr::read),
        get("/api/v1/events", events::stream),
        post("/api/v1/reload", reload::reload),
        get("/api/v1/log-level", log_level::get),
        route("PUT", "/api/v1/log-level", on(MethodFilter::PUT, log_level::put)),
        get("/api/v1/openapi.json", openapi::document),
    ]
}

/// The same, to be served.
pub(super) fn router() -> Router<Arc<Admin>> {
    all().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.serve))
}

/// The methods that are answered at a path.
pub(super) fn methods_at(path: &str) -> Vec<&'static str> {
    all().into_iter().filter(|route| is_at(route.path, path)).map(|route| route.method).collect()
}

fn is_at(template: &str, path: &str) -> bool {
    let (wanted, found) = (template.split('/'), path.split('/'));
    let as_long = wanted.clone().count() == found.clone().count();
    as_long && wanted.zip(found).all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
}

fn route(method: &'static str, path: &'static str, serve: MethodRouter<Arc<Admin>>) -> Route {
    Route { method, path, serve }
}

fn get<T: 'static>(path: &'static str, handler: impl Handler<T, Arc<Admin>>) -> Route {
    route("GET", path, on(MethodFilter::GET, handler))
}

fn post<T: 'static>(path: &'static str, handler: impl Handler<T, Arc<Admin>>) -> Route {
    route("POST", path, on(MethodFilter::POST, handler))
}
