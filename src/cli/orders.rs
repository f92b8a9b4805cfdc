//! `mcpvisor restart`, `stop` and `start`

use reqwest::Method;

use super::figures::plural;
use super::service::Service;
use super::target::Target;
use super::{ServiceArguments, print};
use crate::admin::views::ReachedView;
use crate::app::Outcome;

/// `mcpvisor restart`, `mcpvisor stop`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What.
    #[command(flatten)]
    pub target: Target,
    /// Whom to tell.
    #[command(flatten)]
    pub service: ServiceArguments,
}

/// `mcpvisor start`
#[derive(Debug, clap::Args)]
pub struct StartArguments {
    /// A backend, by its name
    #[arg(value_name = "BACKEND")]
    pub backend: String,
    /// Whom to tell.
    #[command(flatten)]
    pub service: ServiceArguments,
}

/// Gives a session, or all of a backend, another process.
///
/// # Errors
/// There is no such backend or session, or no service.
pub async fn restart(wanted: Arguments) -> Outcome {
    let (service, target) = (Service::of(&wanted.service)?, wanted.target.split());
    if let Some(session) = &target.session {
        let key = target.connection(&service, session).await?.key;
        let _: ReachedView =
            service.order(Method::POST, &format!("/api/v1/connections/{key}/restart")).await?;
        return print(&format!("{key} restarted\n"));
    }
    let reached = order(&service, &target.backend, "restart").await?;
    print(&format!("{} restarted ({})\n", target.backend, plural(reached, "connection")))
}

/// Ends a session, or holds a backend until it is started.
///
/// # Errors
/// There is no such backend or session, or no service.
pub async fn stop(wanted: Arguments) -> Outcome {
    let (service, target) = (Service::of(&wanted.service)?, wanted.target.split());
    if let Some(session) = &target.session {
        let key = target.connection(&service, session).await?.key;
        let _: ReachedView = service.order(Method::DELETE, &format!("/api/v1/connections/{key}")).await?;
        return print(&format!("{key} ended\n"));
    }
    let backend = &target.backend;
    let reached = order(&service, backend, "stop").await?;
    let what = plural(reached, "connection");
    print(&format!("{backend} stopped ({what}); it stays so until `mcpvisor start {backend}`\n"))
}

/// Takes a stop back.
///
/// # Errors
/// There is no such backend, or no service.
pub async fn start(wanted: StartArguments) -> Outcome {
    let service = Service::of(&wanted.service)?;
    order(&service, &wanted.backend, "start").await?;
    print(&format!("{} started; its next request launches a server\n", wanted.backend))
}

async fn order(service: &Service, backend: &str, order: &str) -> Result<usize, crate::app::Failure> {
    let target = Target { backend: backend.to_owned(), session: None };
    // Says what there is, where the name is wrong.
    target.connections(service).await?;
    let path = format!("/api/v1/backends/{backend}/{order}");
    let reached: ReachedView = service.order(Method::POST, &path).await?;
    Ok(reached.connections)
}
