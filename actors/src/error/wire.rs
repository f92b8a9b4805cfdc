//! A refusal as the JSON-RPC error that the client reads.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Refusal;
use crate::message;

impl Refusal {
    /// The error as one JSON-RPC message, answering the request whose id is `id` (raw JSON).
    pub fn to_message(&self, id: Option<&[u8]>) -> Bytes {
        message::error(id, self.code(), &self.to_string(), self.data().as_ref())
    }

    /// `error.data`; only our own codes carry any.
    pub fn data(&self) -> Option<Value> {
        let backend = self.backend()?;
        let mut data = Map::new();
        data.insert("backend".into(), json!(backend));
        data.insert("reason".into(), json!(self.reason()));
        if let Self::Overloaded { what, most, .. } = self {
            data.insert("scope".into(), json!(what.scope()));
            data.insert("setting".into(), json!(what.setting()));
            data.extend(most.map(|most| ("limit".into(), json!(most))));
        }
        if let Some(wait) = self.retry_after() {
            data.insert("retry_after_ms".into(), json!(wait.as_micros().div_ceil(1000) as u64));
        }
        if let Self::BackendLost { fault, .. } | Self::LaunchFailed { fault, .. } = self {
            let facts = [("exit_code", fault.exit_code), ("signal", fault.signal)];
            data.extend(facts.into_iter().filter_map(|(key, fact)| Some((key.into(), json!(fact?)))));
            if let Some(tail) = &fault.stderr_tail {
                data.insert("stderr_tail".into(), json!(tail));
            }
        }
        if let Self::BackendLost { retryable, error_count, max_error_count, .. } = self {
            data.insert("retryable".into(), json!(retryable));
            data.insert("error_count".into(), json!(error_count));
            data.insert("max_error_count".into(), json!(max_error_count));
        }
        Some(Value::Object(data))
    }

    fn backend(&self) -> Option<&str> {
        match self {
            Self::BackendLost { backend, .. }
            | Self::BackendUnavailable { backend, .. }
            | Self::Timeout { backend, .. }
            | Self::Overloaded { backend, .. }
            | Self::ShuttingDown { backend, .. }
            | Self::LaunchFailed { backend, .. }
            | Self::SessionEnded { backend, .. }
            | Self::Unauthorized { backend, .. } => Some(backend),
            Self::UnknownBackend { .. } | Self::Invalid { .. } | Self::Cancelled => None,
        }
    }
}
