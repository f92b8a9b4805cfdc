//! Requests to backends.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Histogram, Label, histogram};

use super::catalogue::requests::CLIENT_OPERATION;
use super::sets::{ERROR_TYPE, METHOD, TOOL, TRANSPORT, VERSION};
use super::spec::BACKEND;

/// The values of the labels of one series; all but the backend's name are of closed sets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Operation {
    pub(crate) backend: Arc<str>,
    pub(crate) method: &'static str,
    /// Empty when it was answered with a result.
    pub(crate) error: &'static str,
    pub(crate) transport: &'static str,
    pub(crate) version: &'static str,
    /// With `telemetry.tool_labels`, for calls of tools.
    pub(crate) tool: Option<Arc<str>>,
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
        let mut labels = vec![
            Label::new(BACKEND.name, self.backend.clone()),
            Label::new(METHOD.name, self.method),
            Label::new(ERROR_TYPE.name, self.error),
            Label::new(TRANSPORT.name, self.transport),
            Label::new(VERSION.name, self.version),
        ];
        labels.extend(self.tool.clone().map(|tool| Label::new(TOOL.name, tool)));
        histogram!(CLIENT_OPERATION.name, labels)
    }
}
