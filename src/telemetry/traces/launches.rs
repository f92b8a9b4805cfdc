//! Each launch of a connection as a trace of its own, with a link to the request that waits for it.
//!
//! * owns: the launches under way, and why each connection was lost the last time
//! * receives: the events of the tree
//! * ends: with the tree

use std::collections::HashMap;

use mcpvisor_actors::{EventKind, EventStream, Heard, SupervisionEvent};
use opentelemetry::trace::{Link, Span as _, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;

use super::{BACKEND, ERROR_TYPE, SESSION, Traces, active};

type Connection = (String, String);

#[derive(Default)]
struct Launches {
    under_way: HashMap<Connection, Span>,
    /// Why the next launch of the connection is a restart.
    lost: HashMap<Connection, String>,
}

pub(super) async fn follow(mut events: EventStream) {
    let Some(traces) = active() else { return };
    let mut launches = Launches::default();
    while let Some(heard) = events.next().await {
        match heard {
            Heard::Event(event) => launches.heard(traces, &event),
            // What began or ended meanwhile is not known: spans without an end are worse than none.
            Heard::Missed(_) => launches = Launches::default(),
        }
    }
}

impl Launches {
    fn heard(&mut self, traces: &Traces, event: &SupervisionEvent) {
        let (Some(backend), Some(session)) = (&event.backend, &event.session) else { return };
        let connection = (backend.to_string(), session.clone());
        match event.kind {
            EventKind::Launching => {
                let restarts = self.lost.remove(&connection);
                let span = begin(traces, event, &connection, restarts);
                self.under_way.insert(connection, span);
            }
            EventKind::Ready => {
                if let Some(mut span) = self.under_way.remove(&connection) {
                    span.end_with_timestamp(event.at);
                }
            }
            EventKind::Lost | EventKind::Stopped | EventKind::Restarting => {
                let reason = event.reason.as_deref().unwrap_or(event.kind.as_str()).to_owned();
                if let Some(mut span) = self.under_way.remove(&connection) {
                    span.set_status(Status::error(""));
                    span.set_attribute(KeyValue::new(ERROR_TYPE, reason.clone()));
                    span.end_with_timestamp(event.at);
                }
                if event.kind == EventKind::Stopped {
                    self.lost.remove(&connection);
                } else {
                    self.lost.insert(connection, reason);
                }
            }
            EventKind::Gone | EventKind::Evicted | EventKind::Drained => {
                self.lost.remove(&connection);
                if let Some(mut span) = self.under_way.remove(&connection) {
                    span.set_attribute(KeyValue::new("mcpvisor.result", event.kind.as_str()));
                    span.end_with_timestamp(event.at);
                }
            }
            _ => {}
        }
    }
}

fn begin(traces: &Traces, event: &SupervisionEvent, connection: &Connection, lost: Option<String>) -> Span {
    let (backend, session) = connection;
    let mut attributes =
        vec![KeyValue::new(BACKEND, backend.clone()), KeyValue::new(SESSION, session.clone())];
    let number = |name, value: Option<u64>| {
        value.map(|value| KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX)))
    };
    attributes.extend(number("mcpvisor.incarnation", event.incarnation));
    attributes.extend(number("mcpvisor.restarts", event.restarts));
    attributes.extend(number("mcpvisor.error_count", event.error_count.map(u64::from)));
    attributes.extend(event.start.map(|start| KeyValue::new("mcpvisor.start", start)));
    let name = if lost.is_some() { format!("restart {backend}") } else { format!("launch {backend}") };
    attributes.extend(lost.map(|reason| KeyValue::new("mcpvisor.reason", reason)));
    let links = traces.waiting.on(connection).map(|request| vec![Link::with_context(request)]);
    let span = traces.tracer.span_builder(name).with_kind(SpanKind::Internal).with_start_time(event.at);
    let span = span.with_attributes(attributes).with_links(links.unwrap_or_default());
    span.start_with_context(&traces.tracer, &Context::new())
}
