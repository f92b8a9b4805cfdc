//! Requests to backends.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Histogram, histogram};

use super::catalogue::requests::CLIENT_OPERATION;

/// The values of the labels of one series; all but the backend's name are of closed sets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Operation {
    pub(crate) backend: Arc<str>,
    pub(crate) method: &'static str,
    /// Empty when it was answered with a result.
    pub(crate) error: &'static str,
    pub(crate) transport: &'static str,
    pub(crate) version: &'static str,
}

thread_local! {
    /// Looking a histogram up by its labels costs as much as the rest of the way of a small request.
    static OPERATIONS: RefCell<HashMap<Operation, Histogram>> = RefCell::default();
}

impl Operation {
    /// Records one of them.
    pub(crate) fn record(self, took: Duration) {
        OPERATIONS.with_borrow_mut(|known| {
            known.entry(self).or_insert_with_key(Self::histogram).record(took);
        });
    }

    fn histogram(&self) -> Histogram {
        histogram!(CLIENT_OPERATION.name,
            "backend" => self.backend.clone(), "mcp_method_name" => self.method, "error_type" => self.error,
            "network_transport" => self.transport, "mcp_protocol_version" => self.version)
    }
}
