//! Errors of the SDK, said so that one knows what to do.

use std::error::Error;
use std::io;

use anyhow::anyhow;
use rmcp::ErrorData;
use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::{HttpStatusError, StreamableHttpError};

use crate::app::Failure;

/// Why no session could be opened.
pub(super) fn initialize(url: &str, error: &ClientInitializeError) -> Failure {
    match error {
        ClientInitializeError::JsonRpcError(error) => json_rpc(error),
        ClientInitializeError::TransportError { error, .. } => transport(url, error),
        other => Failure::Runtime(anyhow!("{url} did not open a session: {other}")),
    }
}

/// Why a request in a session failed.
pub(super) fn request(url: &str, error: &ServiceError) -> Failure {
    match error {
        ServiceError::McpError(error) => json_rpc(error),
        ServiceError::TransportSend(error) => transport(url, error),
        ServiceError::TransportClosed => {
            Failure::Runtime(anyhow!("{url} closed the connection before it had answered"))
        }
        other => Failure::Runtime(anyhow!("{url}: {other}")),
    }
}

/// An error answer, with everything that came with it.
fn json_rpc(error: &ErrorData) -> Failure {
    let data = error.data.as_ref().map(|data| format!("\n    {data}")).unwrap_or_default();
    Failure::Runtime(anyhow!("error {}: {}{data}", error.code.0, error.message))
}

fn transport(url: &str, error: &DynamicTransportError) -> Failure {
    let error = error.error.as_ref();
    if let Some(http) = found::<reqwest::Error>(error) {
        return Failure::Runtime(unreachable(url, http));
    }
    if let Some(http) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        return Failure::Runtime(refused(url, http));
    }
    if let Some(status) = found::<HttpStatusError>(error) {
        return Failure::Runtime(anyhow!("{url} answered {status}"));
    }
    Failure::Runtime(anyhow!("{url}: {}", chain(error)))
}

fn unreachable(url: &str, error: &reqwest::Error) -> anyhow::Error {
    if !error.is_connect() {
        return anyhow!("{url}: {}", chain(error));
    }
    let refused =
        found::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    let what = if refused { "nothing answers at" } else { "cannot connect to" };
    anyhow!("{what} {url} ({})\n    is mcpvisor running, and is this its address?", last(error))
}

fn refused(url: &str, error: &StreamableHttpError<reqwest::Error>) -> anyhow::Error {
    match error {
        StreamableHttpError::AuthRequired(_) => {
            anyhow!("{url} wants credentials (HTTP 401)\n    give them with --bearer KEY or --header")
        }
        StreamableHttpError::InsufficientScope(_) => {
            anyhow!("{url} does not accept these credentials (HTTP 403)")
        }
        StreamableHttpError::SessionExpired => anyhow!("the session has ended at {url} (HTTP 404)"),
        other => anyhow!("{url}: {}", chain(other)),
    }
}

/// The error or one of its causes, if it is a `T`.
fn found<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        if let Some(StreamableHttpError::Client(client)) =
            error.downcast_ref::<StreamableHttpError<reqwest::Error>>()
            && let Some(found) = (client as &(dyn Error + 'static)).downcast_ref()
        {
            return Some(found);
        }
        current = error.source();
    }
    None
}

/// The innermost cause.
fn last(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(cause) = current.source() {
        current = cause;
    }
    current.to_string()
}

/// The error and its causes, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut current = error.source();
    while let Some(cause) = current {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        current = cause.source();
    }
    said
}
