//! What mcpvisor says of itself.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::common::gateway::Gateway;
use crate::common::http::Target;
use crate::variant::BACKEND;

/// From `/metrics` and `/api/v1/connections`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Witness {
    /// `mcpvisor_restarts_total` by reason, without those that are zero.
    pub(crate) restarts: BTreeMap<String, u64>,
    /// `mcpvisor_faults_total` likewise.
    pub(crate) faults: BTreeMap<String, u64>,
    /// `mcpvisor_replays_total` by result, without those that are zero.
    pub(crate) replays: BTreeMap<String, u64>,
    /// `mcpvisor_retries_total` likewise.
    pub(crate) retries: BTreeMap<String, u64>,
    /// `mcpvisor_exits_total{kind="unexpected"}`
    pub(crate) unexpected_exits: u64,
    /// `mcpvisor_requests_lost_total`
    pub(crate) lost: u64,
    /// `mcpvisor_max_error_stops_total` and `mcpvisor_fatal_stops_total`
    pub(crate) stops: u64,
    /// Sums over the connections.
    pub(crate) errors: u64,
    pub(crate) connection_restarts: u64,
    pub(crate) ready: usize,
    /// The highest error count of a connection.
    pub(crate) highest_error_count: u64,
}

#[derive(Deserialize)]
struct Connections {
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    phase: String,
    error_count: u64,
    total_errors: u64,
    restarts: u64,
}

impl Witness {
    pub(crate) async fn ask(gateway: &Gateway) -> anyhow::Result<Self> {
        let page = get(gateway, "metrics").await?;
        let page = std::str::from_utf8(&page)?;
        let connections: Connections =
            serde_json::from_slice(&get(gateway, "api/v1/connections").await?).context("the admin API")?;
        let connections = connections.connections;
        let sum = |of: fn(&Connection) -> u64| connections.iter().map(of).sum();
        let only = |name: &str, label: Option<&str>| -> u64 {
            let counted = count(page, name, label.map_or("", |label| label));
            counted.into_values().sum()
        };
        Ok(Self {
            restarts: count(page, "mcpvisor_restarts_total", "reason"),
            faults: count(page, "mcpvisor_faults_total", "reason"),
            replays: count(page, "mcpvisor_replays_total", "result"),
            retries: count(page, "mcpvisor_retries_total", "result"),
            unexpected_exits: count(page, "mcpvisor_exits_total", "kind").remove("unexpected").unwrap_or(0),
            lost: only("mcpvisor_requests_lost_total", None),
            stops: only("mcpvisor_max_error_stops_total", None) + only("mcpvisor_fatal_stops_total", None),
            errors: sum(|connection| connection.total_errors),
            connection_restarts: sum(|connection| connection.restarts),
            ready: connections.iter().filter(|connection| connection.phase == "ready").count(),
            highest_error_count: connections.iter().map(|one| one.error_count).max().unwrap_or(0),
        })
    }
}

/// What the series of a counter of the backend add up to for each value of `label`, without the zeros.
fn count(page: &str, name: &str, label: &str) -> BTreeMap<String, u64> {
    let series =
        page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "));
    let own = series.filter_map(|(labels, value)| {
        let value_of = |wanted: &str| {
            labels
                .split(',')
                .find_map(|label| label.strip_prefix(wanted)?.strip_prefix("=\"")?.strip_suffix('"'))
        };
        (value_of("backend") == Some(BACKEND)).then_some(())?;
        Some((value_of(label).unwrap_or_default().to_owned(), value.parse::<u64>().ok()?))
    });
    let mut counted = BTreeMap::new();
    for (value_of_label, value) in own.filter(|(_, value)| *value > 0) {
        *counted.entry(value_of_label).or_default() += value;
    }
    counted
}

async fn get(gateway: &Gateway, path: &str) -> anyhow::Result<Vec<u8>> {
    let target = Target::parse(&format!("http://{}/{path}", gateway.admin()))?;
    let mut connection = target.connect().await?;
    let response = connection.exchange(&target.head("GET", ""), "").await?;
    ensure!(response.status() == 200, "/{path} was answered with {}", response.status());
    Ok(response.body().to_vec())
}
