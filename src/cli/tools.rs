//! `mcpvisor tools URL`

use std::fmt::Write;

use rmcp::model::Tool;

use super::client::{self, EndpointArguments, Session};
use super::{explain, print, values};
use crate::app::{Failure, Outcome};

/// `mcpvisor tools`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where.
    #[command(flatten)]
    pub endpoint: EndpointArguments,
    /// Print them as JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists the tools of an endpoint, each as it is called.
///
/// # Errors
/// The endpoint cannot be reached, or refuses.
pub async fn run(wanted: Arguments) -> Outcome {
    let session = client::connect(&wanted.endpoint).await?;
    let listed = list(&wanted.endpoint.url, &session).await;
    let server = server(&session);
    client::close(session).await;
    let tools = listed?;
    if wanted.json {
        let json = serde_json::to_string_pretty(&tools).map_err(|error| Failure::Runtime(error.into()))?;
        return print(&format!("{json}\n"));
    }
    print(&text(&server, &tools))
}

/// All tools, over all pages.
pub(super) async fn list(url: &str, session: &Session) -> Result<Vec<Tool>, Failure> {
    session.list_all_tools().await.map_err(|error| explain::request(url, &error))
}

fn server(session: &Session) -> String {
    let Some(info) = session.peer_info() else { return "server".to_owned() };
    let revision = &info.protocol_version;
    match &info.server_info {
        Some(server) => format!("{} {} (MCP {revision})", server.name, server.version),
        None => format!("server (MCP {revision})"),
    }
}

fn text(server: &str, tools: &[Tool]) -> String {
    let mut out = match tools.len() {
        1 => format!("{server}: 1 tool\n"),
        count => format!("{server}: {count} tools\n"),
    };
    for tool in tools {
        let _ = write!(out, "\n{}\n", values::usage(&tool.name, &tool.input_schema));
        for line in tool.description.as_deref().unwrap_or_default().lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}
