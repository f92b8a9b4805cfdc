//! Something that receives traces over OTLP, as a collector does.

#![allow(clippy::disallowed_types, reason = "what a collector has received, and no actor")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::common::eventually;

#[derive(Default)]
struct Received {
    bodies: Vec<Bytes>,
    paths: Vec<String>,
    headers: Vec<http::HeaderMap>,
}

pub struct Collector {
    pub url: String,
    received: Arc<Mutex<Received>>,
    accepting: JoinHandle<()>,
}

/// One span, in words that tests use.
#[derive(Debug, Clone)]
pub struct Seen {
    pub name: String,
    pub kind: SpanKind,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub links: Vec<String>,
    pub failed: bool,
    attributes: Vec<KeyValue>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::answering(200).await
    }

    /// One that answers each batch so.
    pub async fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Received>>::default();
        let shared = received.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let received = shared.clone();
                let service = service_fn(move |request| receive(received.clone(), status, request));
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, received, accepting }
    }

    pub fn batches(&self) -> usize {
        self.received.lock().unwrap().bodies.len()
    }

    pub fn paths(&self) -> Vec<String> {
        self.received.lock().unwrap().paths.clone()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let received = self.received.lock().unwrap();
        Some(received.headers.first()?.get(name)?.to_str().unwrap().to_owned())
    }

    /// All that was received, as it came.
    pub fn bytes(&self) -> Vec<u8> {
        self.received.lock().unwrap().bodies.concat()
    }

    /// What the sender says of itself.
    pub fn resource(&self, key: &str) -> Option<String> {
        let received = self.received.lock().unwrap();
        let batch = ExportTraceServiceRequest::decode(received.bodies.first()?.clone()).unwrap();
        text(&batch.resource_spans.first()?.resource.as_ref()?.attributes, key)
    }

    pub fn spans(&self) -> Vec<Seen> {
        let received = self.received.lock().unwrap();
        let batches =
            received.bodies.iter().map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap());
        let resources = batches.flat_map(|batch| batch.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).map(Seen::of).collect()
    }

    /// The spans of that name, once there are so many.
    pub async fn named(&self, name: &str, count: usize) -> Vec<Seen> {
        eventually(&format!("{count} spans named {name}"), async || {
            let spans: Vec<Seen> = self.spans().into_iter().filter(|span| span.name == name).collect();
            (spans.len() >= count).then_some(spans)
        })
        .await
    }

    /// What the client sees of the only request of that name, and what its backend does for it.
    pub async fn pair(&self, name: &str) -> (Seen, Seen) {
        let spans = self.named(name, 2).await;
        assert_eq!(spans.len(), 2, "{spans:?}");
        let of = |kind| {
            spans.iter().find(|span| span.kind == kind).unwrap_or_else(|| panic!("{kind:?}: {spans:?}"))
        };
        (of(SpanKind::Server).clone(), of(SpanKind::Client).clone())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Seen {
    fn of(span: Span) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self {
            kind: span.kind(),
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
            failed: span.status.as_ref().is_some_and(|status| status.code == 2),
            name: span.name,
            attributes: span.attributes,
        }
    }

    pub fn attribute(&self, key: &str) -> Option<String> {
        text(&self.attributes, key)
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    Some(match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

async fn receive(
    received: Arc<Mutex<Received>>,
    status: u16,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut received = received.lock().unwrap();
    received.bodies.push(body);
    received.paths.push(parts.uri.path().to_owned());
    received.headers.push(parts.headers);
    Ok(Response::builder().status(status).body(Full::default()).unwrap())
}
