//! The spans of one request: SERVER, what its client sees; CLIENT, what its backend does for it (OpenTelemetry semantic conventions,
//! "MCP").

use std::borrow::Cow;

use mcpvisor_actors::ConnectionKey;
use mcpvisor_actors::message::Envelope;
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;
use serde::Deserialize;

use super::context::{parent, with_parent};
use super::{BACKEND, ERROR_TYPE, SESSION, TRANSPORT, Traces, active};
use crate::front::face::Face;

/// A name that is longer is cut: a client may call what no server has.
const LONGEST_NAME: usize = 128;

/// One request, from its arrival to its answer. Dropped without one, its client has gone.
pub(crate) struct RequestTrace {
    traces: &'static Traces,
    server: Span,
    client: Option<Span>,
    connection: (String, String),
    ended: bool,
}

impl RequestTrace {
    /// Begins the spans of a request, and makes the request a child of them; `None`: no traces are made. `passes`: whose
    /// backend its bytes are for, unless they are kept for later.
    pub(crate) fn begin(
        message: Envelope,
        key: &ConnectionKey,
        version: &'static str,
        passes: Option<&Face>,
    ) -> (Envelope, Option<Box<Self>>) {
        let Some(traces) = active() else { return (message, None) };
        let method = message.method().unwrap_or_default().to_owned();
        let tool = tool(&message);
        let name = match &tool {
            Some(tool) => format!("{} {tool}", cleaned(&method)),
            None => cleaned(&method),
        };
        let connection = (key.backend_id.to_string(), key.session_hash());
        let mut attributes = vec![
            KeyValue::new("mcp.method.name", cleaned(&method)),
            KeyValue::new(BACKEND, connection.0.clone()),
            KeyValue::new(SESSION, connection.1.clone()),
        ];
        // A session that is about to begin has none yet.
        if version.starts_with("20") {
            attributes.push(KeyValue::new("mcp.protocol.version", version));
        }
        if let Some(tool) = tool {
            attributes.push(KeyValue::new("gen_ai.operation.name", "execute_tool"));
            attributes.push(KeyValue::new("gen_ai.tool.name", tool));
        }
        let begin = |kind, attributes, context: &Context| {
            let span = traces.tracer.span_builder(name.clone()).with_kind(kind).with_attributes(attributes);
            span.start_with_context(&traces.tracer, context)
        };
        let root = Context::new();
        let context =
            parent(&message).map_or_else(|| root.clone(), |parent| root.with_remote_span_context(parent));
        let mut of_server = attributes.clone();
        // The way in is always HTTP.
        of_server.push(KeyValue::new(TRANSPORT, "tcp"));
        let server = begin(SpanKind::Server, of_server, &context);
        traces.waiting.begin(&connection, server.span_context());
        let (message, client) = if let Some(face) = passes {
            attributes.push(KeyValue::new(TRANSPORT, face.settings().transport));
            let context = root.with_remote_span_context(server.span_context().clone());
            let client = begin(SpanKind::Client, attributes, &context);
            (with_parent(message, client.span_context()), Some(client))
        } else {
            (message, None)
        };
        (message, Some(Box::new(Self { traces, server, client, connection, ended: false })))
    }

    /// The answer is there; `error`: what is wrong with it, from a closed set, or nothing.
    pub(crate) fn finish(&mut self, error: &'static str, reason: Option<&str>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.traces.waiting.end(&self.connection, &self.context());
        for span in self.client.iter_mut().chain([&mut self.server]) {
            if !error.is_empty() {
                span.set_status(Status::Error { description: Cow::Borrowed("") });
                span.set_attribute(KeyValue::new(ERROR_TYPE, error));
                if error.starts_with('-') {
                    span.set_attribute(KeyValue::new("rpc.response.status_code", error));
                }
            }
            if let Some(reason) = reason {
                span.set_attribute(KeyValue::new("mcpvisor.reason", reason.to_owned()));
            }
            span.end();
        }
    }

    fn context(&self) -> SpanContext {
        self.server.span_context().clone()
    }
}

impl Drop for RequestTrace {
    fn drop(&mut self) {
        self.finish("cancelled", None);
    }
}

fn tool(message: &Envelope) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    if message.method() != Some("tools/call") {
        return None;
    }
    let named: Named = serde_json::from_slice(message.params()?).ok()?;
    Some(cleaned(&named.name))
}

fn cleaned(name: &str) -> String {
    name.chars().take(LONGEST_NAME).map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}
