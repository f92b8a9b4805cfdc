//! A session with an MCP endpoint, for `tools` and `call`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};

use super::explain;
use crate::VERSION;
use crate::app::Failure;

/// How long ending the session may take: the answer is printed already.
const CLOSE: Duration = Duration::from_secs(5);

/// An open session.
pub(super) type Session = RunningService<RoleClient, ClientConfig>;

/// Which endpoint, and with what.
#[derive(Debug, Clone, clap::Args)]
pub struct EndpointArguments {
    /// The endpoint, such as http://127.0.0.1:8080/mcp/demo
    #[arg(value_name = "URL")]
    pub url: String,
    /// A header to send, such as 'X-Team: core'. Repeatable
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Sent as Authorization: Bearer KEY
    #[arg(long, value_name = "KEY", env = "MCPVISOR_KEY", hide_env_values = true)]
    pub bearer: Option<String>,
}

/// Opens a session.
///
/// # Errors
/// The arguments are wrong, nobody answers, or the endpoint refuses.
pub(super) async fn connect(endpoint: &EndpointArguments) -> Result<Session, Failure> {
    let url = reqwest::Url::parse(&endpoint.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if url.is_none() {
        return Err(Failure::Usage(format!(
            "'{}' is no URL of an endpoint\n    write it as http://127.0.0.1:8080/mcp/NAME",
            endpoint.url
        )));
    }
    let mut transport = StreamableHttpClientTransportConfig::with_uri(endpoint.url.clone())
        .custom_headers(headers(&endpoint.headers)?)
        // A session that ended is news for whoever tries an endpoint, not something to hide.
        .reinit_on_expired_session(false);
    transport.retry_config = Arc::new(patience());
    if let Some(key) = &endpoint.bearer {
        transport = transport.auth_header(key);
    }
    let us = Implementation::new("mcpvisor-cli", VERSION);
    let client = ClientConfig::new(ClientCapabilities::default(), us)
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE);
    let session = client.serve(StreamableHttpClientTransport::from_config(transport)).await;
    session.map_err(|error| explain::initialize(&endpoint.url, &error))
}

/// An answer cut short is asked for again a few times; the SDK's default would wait for a dead service for ever.
fn patience() -> ExponentialBackoff {
    let mut patience = ExponentialBackoff::default();
    (patience.max_times, patience.base_duration) = (Some(3), Duration::from_millis(250));
    patience
}

/// Ends the session, so that the service need not wait for it to expire.
pub(super) async fn close(mut session: Session) {
    let _ = session.close_with_timeout(CLOSE).await;
}

fn headers(lines: &[String]) -> Result<HashMap<HeaderName, HeaderValue>, Failure> {
    lines.iter().map(|line| header(line)).collect()
}

fn header(line: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    // The value may be a secret: it is not repeated.
    let wrong = || Failure::Usage("--header is written 'NAME: VALUE'".to_owned());
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::header;

    #[test]
    fn a_header_is_name_colon_value_and_never_repeated_in_an_error() {
        assert_eq!(header("X-Team:  core ").unwrap(), ("x-team".parse().unwrap(), "core".parse().unwrap()));
        let said = header("s3cret").unwrap_err().to_string();
        assert!(said.contains("NAME: VALUE") && !said.contains("s3cret"), "{said}");
    }
}
