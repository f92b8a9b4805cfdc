//! `mcpvisor call URL TOOL [NAME=VALUE…] [+ TOOL …]`

use mcpvisor_config::nearest;
use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock, Tool};

use super::client::{self, EndpointArguments, Session};
use super::{explain, print, tools, values};
use crate::app::{Failure, Outcome};

/// Stands between calls; no tool can be named so.
const NEXT: &str = "+";

/// `mcpvisor call`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where.
    #[command(flatten)]
    pub endpoint: EndpointArguments,
    /// The tool and its arguments; a + between several calls makes them in one session
    #[arg(value_name = "TOOL [NAME=VALUE]... [+ TOOL ...]", required = true, allow_hyphen_values = true)]
    #[arg(trailing_var_arg = true)]
    pub steps: Vec<String>,
}

/// Calls tools one after the other in one session. Text is printed as it is, everything else as JSON. A call that
/// fails does not keep the next from being made: that is how one sees a session survive.
///
/// # Errors
/// The endpoint cannot be reached; a call was refused, or its result is an error.
pub async fn run(wanted: Arguments) -> Outcome {
    let url = &wanted.endpoint.url;
    let session = client::connect(&wanted.endpoint).await?;
    let outcome = all(url, &session, &wanted.steps).await;
    client::close(session).await;
    outcome
}

async fn all(url: &str, session: &Session, steps: &[String]) -> Outcome {
    let tools = tools::list(url, session).await?;
    let mut requests = Vec::new();
    for step in steps.split(|word| word == NEXT) {
        let (name, pairs) =
            step.split_first().ok_or_else(|| Failure::Usage("a tool is missing beside +".into()))?;
        let tool = known(name, &tools)?;
        let arguments = values::arguments(pairs, &tool.input_schema).map_err(Failure::Usage)?;
        requests.push(CallToolRequestParams::new(name.clone()).with_arguments(arguments));
    }
    let mut outcome = Ok(());
    for request in requests {
        let answered = match session.call_tool(request).await {
            Ok(result) => show(&result),
            Err(error) => {
                let failure = explain::request(url, &error);
                let _ = failure.report();
                Err(Failure::Said)
            }
        };
        outcome = outcome.and(answered);
    }
    outcome
}

fn known<'a>(name: &str, tools: &'a [Tool]) -> Result<&'a Tool, Failure> {
    if let Some(tool) = tools.iter().find(|tool| tool.name == name) {
        return Ok(tool);
    }
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    let near = nearest(name, names.iter().copied())
        .map(|near| format!("; did you mean '{near}'?"))
        .unwrap_or_default();
    Err(Failure::Usage(format!("there is no tool '{name}'{near}\n    there are: {}", names.join(", "))))
}

/// The content, one block after the other.
fn show(result: &CallToolResult) -> Outcome {
    for block in &result.content {
        let shown = match block {
            ContentBlock::Text(text) => text.text.clone(),
            other => serde_json::to_string(other).map_err(|error| Failure::Runtime(error.into()))?,
        };
        print(&format!("{shown}\n"))?;
    }
    if result.content.is_empty()
        && let Some(structured) = &result.structured_content
    {
        print(&format!("{structured}\n"))?;
    }
    if result.is_error == Some(true) {
        eprintln!("mcpvisor: the tool says that it failed");
        return Err(Failure::Said);
    }
    Ok(())
}
