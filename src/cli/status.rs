//! `mcpvisor status`

use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::table::table;
use super::{ServiceArguments, print};
use crate::admin::views::{BackendView, BackendsView, ConnectionView, ConnectionsView};
use crate::app::{Failure, Outcome, state_dir};

/// A service that lives answers sooner.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer errors are cut in the table.
const ERROR_WIDTH: usize = 60;

/// `mcpvisor status`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whom to ask.
    #[command(flatten)]
    pub service: ServiceArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Shows the backends and connections of the service that runs.
///
/// # Errors
/// None runs, several do and none was chosen, or it does not answer.
pub async fn run(wanted: Arguments) -> Outcome {
    let admin = admin_url(&wanted.service)?;
    let bearer = wanted.service.bearer.as_deref();
    let connections: ConnectionsView = get(&admin, "/api/v1/connections", bearer).await?;
    let backends: BackendsView = get(&admin, "/api/v1/backends", bearer).await?;
    if wanted.json {
        let all =
            json!({ "admin": admin, "backends": backends.backends, "connections": connections.connections });
        return print(&format!("{all:#}\n"));
    }
    print(&text(&backends.backends, &connections.connections))
}

/// The admin address asked for, else that of the one service that runs.
pub(super) fn admin_url(wanted: &ServiceArguments) -> Result<String, Failure> {
    if let Some(url) = &wanted.admin {
        let url = url.trim_end_matches('/');
        return Ok(if url.contains("://") { url.to_owned() } else { format!("http://{url}") });
    }
    let places = match &wanted.state_dir {
        Some(folder) => state_dir::at(folder).into_iter().collect(),
        None => state_dir::running(),
    };
    match places.as_slice() {
        [place] => Ok(format!("http://{}", place.run.admin_listen)),
        [] => Err(Failure::Runtime(anyhow!(
            "no running mcpvisor of this user was found\n    \
             start one with `mcpvisor serve`, or say where it is with --admin URL or --state-dir DIR"
        ))),
        several => {
            let line = |place: &state_dir::Place| {
                let run = &place.run;
                format!(
                    "\n    --admin http://{}  (pid {}, serves http://{})",
                    run.admin_listen, run.pid, run.listen
                )
            };
            let lines: String = several.iter().map(line).collect();
            Err(Failure::Usage(format!("{} services run; choose one:{lines}", several.len())))
        }
    }
}

async fn get<T: DeserializeOwned>(admin: &str, path: &str, bearer: Option<&str>) -> Result<T, Failure> {
    let response = ask(Method::GET, admin, path, bearer, PATIENCE).await?;
    if !response.status().is_success() {
        return Err(not_ours(admin, path, response.status()));
    }
    let view = response.json().await;
    view.map_err(|_| Failure::Runtime(anyhow!("{admin}{path} is not the admin API of mcpvisor")))
}

/// Its answer, whatever the status.
pub(super) async fn ask(
    method: Method,
    admin: &str,
    path: &str,
    bearer: Option<&str>,
    patience: Duration,
) -> Result<Response, Failure> {
    let client =
        reqwest::Client::builder().timeout(patience).no_proxy().build().context("cannot make a client")?;
    let mut request = client.request(method, format!("{admin}{path}"));
    if let Some(key) = bearer {
        request = request.bearer_auth(key);
    }
    let response = request.send().await.map_err(|error| {
        if error.is_builder() {
            return Failure::Usage(format!("'{admin}' is no URL\n    write it as http://127.0.0.1:9464"));
        }
        let why = if error.is_timeout() { "it does not answer in time" } else { "nothing answers there" };
        Failure::Runtime(anyhow!("{admin}: {why}\n    is mcpvisor running, and is this its admin address?"))
    })?;
    if response.status() == StatusCode::UNAUTHORIZED {
        return Err(Failure::Runtime(anyhow!(
            "{admin} wants one of its auth.admin_keys\n    give it with --bearer KEY"
        )));
    }
    Ok(response)
}

pub(super) fn not_ours(admin: &str, path: &str, status: StatusCode) -> Failure {
    Failure::Runtime(anyhow!("{admin}{path} answered {status}\n    is this its admin address?"))
}

fn text(backends: &[BackendView], connections: &[ConnectionView]) -> String {
    let heading =
        ["BACKEND", "STATUS", "TRANSPORT", "CONNECTIONS", "LAUNCHES", "RESTARTS", "ERRORS", "STOPS"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(backends.iter().map(|backend| backend_row(backend, connections)));
    let mut out = table(&rows);
    if connections.is_empty() {
        return out + "\nno connections: nobody uses a backend now\n";
    }
    let heading = [
        "CONNECTION",
        "PHASE",
        "PID",
        "USED",
        "REQUESTS",
        "IN FLIGHT",
        "ERRORS",
        "RESTARTS",
        "MEMORY",
        "LAST ERROR",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(connections.iter().map(connection_row));
    out.push('\n');
    out + &table(&rows)
}

/// Counts the connections shown beneath, so that the two tables agree whatever ends meanwhile.
fn backend_row(backend: &BackendView, connections: &[ConnectionView]) -> Vec<String> {
    let own = || connections.iter().filter(|connection| connection.backend == backend.name);
    let (total, ready) = (own().count(), own().filter(|connection| connection.phase == "ready").count());
    let connections =
        if total == ready { format!("{ready} ready") } else { format!("{ready} of {total} ready") };
    let spares: usize = backend.spares.values().sum();
    let spares = if spares > 0 { format!(", {spares} spare") } else { String::new() };
    vec![
        backend.name.clone(),
        backend.status.clone(),
        backend.transport.clone(),
        connections + &spares,
        backend.launches.to_string(),
        backend.restarts.to_string(),
        backend.faults.to_string(),
        backend.stops.to_string(),
    ]
}

fn connection_row(connection: &ConnectionView) -> Vec<String> {
    let waiting = if connection.queued > 0 { format!("+{}", connection.queued) } else { String::new() };
    vec![
        connection.key.clone(),
        connection.phase.clone(),
        connection.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        ago(connection.idle_seconds),
        connection.request_count.to_string(),
        format!("{}{waiting}", connection.in_flight),
        format!("{}/{}", connection.error_count, connection.max_error_count),
        connection.restarts.to_string(),
        connection
            .rss
            .map_or_else(|| "-".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0)),
        connection.last_error.as_deref().map_or_else(|| "-".to_owned(), cut),
    ]
}

fn ago(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "now".to_owned(),
        s if s < 120.0 => format!("{s:.0}s ago"),
        s if s < 7200.0 => format!("{:.0}m ago", s / 60.0),
        s => format!("{:.0}h ago", s / 3600.0),
    }
}

fn cut(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    if line.chars().count() <= ERROR_WIDTH {
        return line.to_owned();
    }
    line.chars().take(ERROR_WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_given_with_or_without_a_scheme() {
        let url =
            |admin: &str| admin_url(&ServiceArguments { admin: Some(admin.into()), ..Default::default() });
        assert_eq!(url("127.0.0.1:9464").unwrap(), "http://127.0.0.1:9464");
        assert_eq!(url("http://h:1/").unwrap(), "http://h:1");
    }

    #[test]
    fn times_and_errors_fit_a_table() {
        assert_eq!([0.4, 59.6, 600.0, 9000.0].map(ago), ["now", "60s ago", "10m ago", "2h ago"]);
        assert_eq!(cut(&"x".repeat(100)).chars().count(), ERROR_WIDTH);
        assert_eq!(cut("exit: code 1\nmore"), "exit: code 1");
    }
}
