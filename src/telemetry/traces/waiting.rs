//! Which request a launch is for: what waits on each connection.

use opentelemetry::trace::SpanContext;
use papaya::HashMap;

/// A backend, and the hash of a session.
type Connection = (String, String);

/// The last request that began on each connection and has not ended.
#[derive(Default)]
pub(super) struct Waiting(HashMap<Connection, SpanContext>);

impl Waiting {
    pub(super) fn begin(&self, connection: &Connection, request: &SpanContext) {
        self.0.pin().insert(connection.clone(), request.clone());
    }

    pub(super) fn end(&self, connection: &Connection, request: &SpanContext) {
        let _ = self.0.pin().remove_if(connection, |_, last| last.span_id() == request.span_id());
    }

    pub(super) fn on(&self, connection: &Connection) -> Option<SpanContext> {
        self.0.pin().get(connection).cloned()
    }
}
