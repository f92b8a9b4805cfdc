//! Which process serves a session.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::common::gateway::Gateway;
use crate::common::http::Target;
use crate::common::session::Session;

/// `GET /api/v1/connections`
#[derive(Deserialize)]
struct Connections {
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    session: String,
    pid: Option<u32>,
}

/// Asks the admin API, which names sessions by a hash of their id.
pub(super) async fn pid_of(gateway: &Gateway, session: &Session) -> anyhow::Result<u32> {
    let digest = Sha256::digest(session.id.as_bytes());
    let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let target = Target::parse(&format!("http://{}/api/v1/connections", gateway.admin()))?;
    let mut connection = target.connect().await?;
    for _ in 0..100 {
        let response = connection.exchange(&target.head("GET", ""), "").await?;
        ensure!(response.status() == 200, "the admin API answered {}", response.status());
        let known: Connections = serde_json::from_slice(response.body()).context("the admin API")?;
        let found = known.connections.iter().find(|connection| connection.session == hash);
        if let Some(pid) = found.and_then(|connection| connection.pid) {
            return Ok(pid);
        }
        sleep(Duration::from_millis(10)).await;
    }
    bail!("the admin API names no process for session {hash}")
}
