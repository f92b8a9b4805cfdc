//! Another configuration while clients are served.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "reload/access.rs"]
mod access;
#[path = "reload/backends.rs"]
mod backends;
#[path = "common/all.rs"]
mod common;
#[path = "reload/ends.rs"]
mod ends;
#[path = "reload/load.rs"]
mod load;
#[allow(dead_code, reason = "no test uses all of it")]
#[path = "modern/client.rs"]
mod modern;
#[path = "reload/orders.rs"]
mod orders;
#[path = "reload/settings.rs"]
mod settings;
#[path = "reload/streams.rs"]
mod streams;

use std::fs;

use common::{Ask, Service, backend};
use serde_json::Value;

/// A backend that can be told apart by what it finds in its environment.
fn marked(name: &str, mark: &str, settings: &str) -> String {
    backend(name, &["--fault-tools"], &format!("env = {{ MARK = {mark:?} }}\n{settings}"))
}

/// Gives the service another file.
fn write(service: &Service, config: &str) {
    fs::write(service.path("mcpvisor.toml"), config).unwrap();
}

/// The answer to `POST /api/v1/reload`.
async fn ordered(service: &Service, query: &str) -> (u16, Value) {
    let reply = Ask::new("POST", &format!("/api/v1/reload{query}")).send(&service.admin).await;
    (reply.status, reply.json().await)
}
