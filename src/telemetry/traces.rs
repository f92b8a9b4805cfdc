//! Traces over OTLP (`observability.md`, "Logs and traces"): what a request went through, and each launch.
//!
//! ```text
//! front ── RequestTrace ──┐
//!                         ├─> SDK: a bounded queue, a thread of its own ──> Collector ──> telemetry.otlp_endpoint
//! events ── Launches ─────┘
//! ```
//! Installed once, as the log and the metrics are. Without an endpoint nothing is installed, and a request costs one look at an
//! empty cell. The OpenTelemetry API is used as it is, without `tracing` between: spans begin and end in different tasks, and
//! log lines are not to become spans.
//!
//! No argument, result, header, address of a resource or full session id is put into a span.

mod collector;
mod context;
mod launches;
mod request;
mod waiting;

use std::sync::OnceLock;
use std::time::Duration;

use mcpvisor_actors::EventStream;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

pub(crate) use context::adopt;
#[cfg(feature = "fuzzing")]
pub use context::fuzzed;
pub(crate) use request::RequestTrace;

use collector::Collector;
use waiting::Waiting;

/// What is left of the traces is sent within that time when the service ends.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// What an endpoint without a path of its own gets (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

const BACKEND: Key = Key::from_static_str("mcpvisor.backend");
const SESSION: Key = Key::from_static_str("mcpvisor.session");
const TRANSPORT: Key = Key::from_static_str("network.transport");
const ERROR_TYPE: Key = Key::from_static_str("error.type");

static TRACES: OnceLock<Traces> = OnceLock::new();

/// Where spans are made.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    waiting: Waiting,
}

/// Sends traces to `endpoint` from now on; empty: none. To be called once, on the runtime that sends them.
///
/// # Errors
/// The endpoint is of no use; why.
pub fn install(endpoint: &str, instance: &str, events: EventStream) -> anyhow::Result<()> {
    if endpoint.is_empty() {
        return Ok(());
    }
    let collector = Collector::new(Handle::current(), endpoint)?;
    let exporter =
        SpanExporter::builder().with_http().with_http_client(collector).with_endpoint(whole(endpoint));
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", crate::VERSION))
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()));
    // The operator's own name for the service is better than ours.
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = if named { resource } else { resource.with_service_name("mcpvisor") };
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter.build()?).build())
        .with_resource(resource.build())
        .build();
    let traces = Traces { tracer: provider.tracer("mcpvisor"), provider, waiting: Waiting::default() };
    if TRACES.set(traces).is_ok() {
        tokio::spawn(launches::follow(events));
    }
    Ok(())
}

/// Sends what is left.
pub async fn flush() {
    let Some(traces) = active() else { return };
    let provider = traces.provider.clone();
    let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS));
    let _ = tokio::time::timeout(LAST_SPANS, ended).await;
}

fn active() -> Option<&'static Traces> {
    TRACES.get()
}

/// `telemetry.otlp_endpoint` with its path.
fn whole(endpoint: &str) -> String {
    let bare = endpoint.trim_end_matches('/');
    let has_path = bare.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { endpoint.to_owned() } else { format!("{bare}{PATH}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_path_gets_that_of_the_specification() {
        assert_eq!(whole("http://c:4318"), "http://c:4318/v1/traces");
        assert_eq!(whole("http://c:4318/"), "http://c:4318/v1/traces");
        assert_eq!(whole("https://c/otlp/v1/traces"), "https://c/otlp/v1/traces");
    }
}
