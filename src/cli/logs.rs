//! `mcpvisor logs`

mod all;

use anyhow::anyhow;

use super::paint::Paint;
use super::service::Service;
use super::target::Target;
use super::{ServiceArguments, print, say};
use crate::admin::views::{BackendView, ConnectionView};
use crate::app::{Failure, Outcome};

/// `mcpvisor logs`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whose.
    #[command(flatten)]
    pub target: Target,
    /// Go on with what is written, also by the process that comes next, until Ctrl-C
    #[arg(short, long, conflicts_with = "previous")]
    pub follow: bool,
    /// Of the process before this one: why it died
    #[arg(short, long)]
    pub previous: bool,
    /// Only the last so many lines of what there is [default: all that is kept, 64 KiB]
    #[arg(short = 'n', long, value_name = "LINES")]
    pub tail: Option<usize>,
    /// Whom to ask.
    #[command(flatten)]
    pub service: ServiceArguments,
}

/// Prints what the servers of a backend, or of one session of it, write to standard error.
///
/// # Errors
/// There is no such backend or session, or no service; or it ended otherwise than in order.
pub async fn run(mut wanted: Arguments) -> Outcome {
    let service = Service::of(&wanted.service)?;
    wanted.target = wanted.target.clone().split();
    if let Some(session) = &wanted.target.session {
        let connection = wanted.target.connection(&service, session).await?;
        return copy(&service, &wanted.path(&connection)).await;
    }
    let backend = &wanted.target.backend;
    let connections = wanted.target.connections(&service).await?;
    let view: BackendView = service.get(&format!("/api/v1/backends/{backend}")).await?;
    if view.transport != "stdio" {
        return Err(Failure::Usage(format!(
            "backend '{backend}' is an upstream, which has no standard error here"
        )));
    }
    if wanted.follow {
        return all::follow(&service, &wanted).await;
    }
    match connections.as_slice() {
        [] => Err(Failure::Runtime(anyhow!(
            "backend '{backend}' has no connections, and so nothing to read\n    \
             `mcpvisor events --backend {backend}` tells what became of those it had"
        ))),
        [one] => copy(&service, &wanted.path(one)).await,
        several => each(&service, &wanted, several).await,
    }
}

impl Arguments {
    fn path(&self, connection: &ConnectionView) -> String {
        let tail = self.tail.map(|lines| format!("&tail={lines}")).unwrap_or_default();
        let (follow, previous) = (self.follow, self.previous);
        format!("/api/v1/connections/{}/stderr?follow={follow}&previous={previous}{tail}", connection.key)
    }
}

/// As it is, byte for byte.
async fn copy(service: &Service, path: &str) -> Outcome {
    let mut response = service.stream(path).await?;
    while let Some(chunk) = response.chunk().await.map_err(|_| service.broken())? {
        if !say(&chunk) {
            break;
        }
    }
    Ok(())
}

/// One after the other, each line with the session it belongs to.
async fn each(service: &Service, wanted: &Arguments, connections: &[ConnectionView]) -> Outcome {
    let paint = Paint::of_stdout();
    let mut read = 0;
    for connection in connections {
        match service.text(&wanted.path(connection)).await {
            Ok(text) => {
                read += 1;
                let lines = text.lines().map(|line| all::prefixed(paint, &connection.session, line));
                print(&lines.collect::<String>())?;
            }
            // It has not been started yet, or has no predecessor; others may.
            Err(Failure::Usage(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    if read > 0 {
        return Ok(());
    }
    let what = if wanted.previous { "had a process before the one it has" } else { "has a process yet" };
    Err(Failure::Runtime(anyhow!("no connection of backend '{}' {what}", wanted.target.backend)))
}
