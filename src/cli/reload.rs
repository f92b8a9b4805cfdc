//! `mcpvisor reload`

use std::fmt::Write;
use std::time::Duration;

use anyhow::anyhow;
use reqwest::{Method, StatusCode};

use super::service::Service;
use super::{ServiceArguments, print};
use crate::app::reload::report::{Outcome as Came, ReloadReport};
use crate::app::{Failure, Outcome};

/// Files may be large, and wait behind other reloads.
const PATIENCE: Duration = Duration::from_secs(60);

/// `mcpvisor reload`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whom to tell.
    #[command(flatten)]
    pub service: ServiceArguments,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Has the running service read its configuration again.
///
/// # Errors
/// The configuration is refused (exit code 64), no service runs, or it does not answer (1).
pub async fn run(wanted: Arguments) -> Outcome {
    let service = Service::of(&wanted.service)?;
    let path = if wanted.dry_run { "/api/v1/reload?dry_run=true" } else { "/api/v1/reload" };
    let response = service.ask(Method::POST, path, PATIENCE).await?;
    let status = response.status();
    let known = status.is_success()
        || matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::SERVICE_UNAVAILABLE);
    if !known {
        return Err(service.not_ours(path, status));
    }
    let report: ReloadReport = match response.json().await {
        Ok(report) => report,
        Err(_) => return Err(Failure::Runtime(anyhow!("{}: the service is ending", service.admin))),
    };
    if wanted.json {
        let json = serde_json::to_string_pretty(&report).unwrap_or_default();
        print(&format!("{json}\n"))?;
    } else if matches!(report.result, Came::Ok | Came::Unchanged) {
        print(&text(&report))?;
    }
    match report.result {
        Came::Ok | Came::Unchanged => Ok(()),
        Came::Failed => Err(Failure::Usage(problems(&report))),
        Came::Ending => Err(Failure::Runtime(anyhow!(problems(&report)))),
    }
}

fn problems(report: &ReloadReport) -> String {
    let lines: String = report.problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("{}{lines}", report.summary())
}

fn text(report: &ReloadReport) -> String {
    let mut out = report.summary() + "\n";
    let mut line = |what: &str, text: &str| {
        let _ = writeln!(out, "  {what:<8}  {text}");
    };
    for name in &report.added {
        line("added", name);
    }
    for name in &report.removed {
        line("removed", name);
    }
    for changed in &report.changed {
        let how = if changed.how == "relaunch" { "its connections are replaced" } else { "in place" };
        line("changed", &format!("{}: {} ({how})", changed.name, changed.keys.join(", ")));
    }
    for key in &report.settings {
        line("setting", key);
    }
    for key in &report.needs_restart {
        line("restart", &format!("{key} holds only after a restart of the service"));
    }
    for note in &report.notes {
        line("note", note);
    }
    out
}
