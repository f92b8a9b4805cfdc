//! `mcpvisor status`

use std::io::IsTerminal;
use std::time::Duration;

use serde_json::json;

use super::figures::{ago, cut, memory};
use super::paint::{Paint, Tone};
use super::service::Service;
use super::table::{Cell, table};
use super::{ServiceArguments, say};
use crate::admin::views::{BackendView, BackendsView, ConnectionView, ConnectionsView};
use crate::app::{Failure, Outcome};

/// How often what is watched is drawn again.
const INTERVAL: Duration = Duration::from_secs(2);

/// `mcpvisor status`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whom to ask.
    #[command(flatten)]
    pub service: ServiceArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Show it again every two seconds, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
}

/// Shows the backends and connections of the service that runs.
///
/// # Errors
/// None runs, several do and none was chosen, or it does not answer.
pub async fn run(wanted: Arguments) -> Outcome {
    let service = Service::of(&wanted.service)?;
    let redraws = wanted.watch && !wanted.json && std::io::stdout().is_terminal();
    let mut first = true;
    loop {
        let mut shown = show(&service, wanted.json).await?;
        if redraws {
            shown = redrawn(&shown, first);
        } else if !first && !wanted.json {
            shown.insert(0, '\n');
        }
        if !say(shown.as_bytes()) || !wanted.watch {
            return Ok(());
        }
        first = false;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Over what was shown before, without a flicker: each line overwrites one, and what is left is erased.
fn redrawn(text: &str, first: bool) -> String {
    let start = if first { "\x1b[2J\x1b[H" } else { "\x1b[H" };
    let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("{start}{lines}\x1b[J")
}

async fn show(service: &Service, as_json: bool) -> Result<String, Failure> {
    let connections: ConnectionsView = service.get("/api/v1/connections").await?;
    let backends: BackendsView = service.get("/api/v1/backends").await?;
    if as_json {
        let admin = &service.admin;
        let all =
            json!({ "admin": admin, "backends": backends.backends, "connections": connections.connections });
        return Ok(format!("{all:#}\n"));
    }
    Ok(text(&backends.backends, &connections.connections, Paint::of_stdout()))
}

fn text(backends: &[BackendView], connections: &[ConnectionView], paint: Paint) -> String {
    let heading =
        ["BACKEND", "STATUS", "TRANSPORT", "CONNECTIONS", "LAUNCHES", "RESTARTS", "ERRORS", "STOPS"];
    let rows = backends.iter().map(|backend| backend_row(backend, connections));
    let out = table(&heading, rows.collect(), paint);
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
    out + "\n" + &table(&heading, connections.iter().map(connection_row).collect(), paint)
}

/// Counts the connections shown beneath, so that the two tables agree whatever ends meanwhile.
fn backend_row(backend: &BackendView, connections: &[ConnectionView]) -> Vec<Cell> {
    let own = || connections.iter().filter(|connection| connection.backend == backend.name);
    let (total, ready) = (own().count(), own().filter(|connection| connection.phase == "ready").count());
    let connections =
        if total == ready { format!("{ready} ready") } else { format!("{ready} of {total} ready") };
    let spares: usize = backend.spares.values().sum();
    let spares = if spares > 0 { format!(", {spares} spare") } else { String::new() };
    vec![
        backend.name.as_str().into(),
        Cell::new(Tone::of_state(&backend.status), status(backend)),
        backend.transport.as_str().into(),
        (connections + &spares).into(),
        backend.launches.to_string().into(),
        backend.restarts.to_string().into(),
        backend.faults.to_string().into(),
        backend.stops.to_string().into(),
    ]
}

/// With what is behind it, where that is for an operator to know.
pub(super) fn status(backend: &BackendView) -> String {
    match backend.status.as_str() {
        status if backend.stopped_by_operator => format!("{status} (by operator)"),
        status if backend.breaker_open => format!("{status} (breaker)"),
        status => status.to_owned(),
    }
}

fn connection_row(connection: &ConnectionView) -> Vec<Cell> {
    vec![
        connection.key.as_str().into(),
        Cell::new(Tone::of_state(&connection.phase), &*connection.phase),
        connection.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()).into(),
        ago(connection.idle_seconds).into(),
        connection.request_count.to_string().into(),
        in_flight(connection).into(),
        Cell::new(
            errors_tone(connection),
            format!("{}/{}", connection.error_count, connection.max_error_count),
        ),
        connection.restarts.to_string().into(),
        memory(connection.rss).into(),
        connection.last_error.as_deref().map_or_else(|| "-".to_owned(), cut).into(),
    ]
}

/// What the backend has, and what waits.
pub(super) fn in_flight(connection: &ConnectionView) -> String {
    let waiting = if connection.queued > 0 { format!("+{}", connection.queued) } else { String::new() };
    format!("{}{waiting}", connection.in_flight)
}

/// By how near it is to being stopped.
pub(super) fn errors_tone(connection: &ConnectionView) -> Tone {
    match connection.error_count {
        0 => Tone::Plain,
        count if f64::from(count) < 0.8 * f64::from(connection.max_error_count) => Tone::Busy,
        _ => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::redrawn;

    /// What was longer before would stand beneath what is true now.
    #[test]
    fn what_is_drawn_again_leaves_nothing_of_before() {
        assert_eq!(redrawn("a\nb\n", false), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
    }
}
