//! What the Registry knows of one configured backend. Pure.

mod tickets;

use std::sync::Arc;

use mcpvisor_config::Backend;

pub(super) use tickets::Tickets;

/// One per configured backend.
pub(super) struct BackendEntry {
    pub(super) backend: Arc<Backend>,
    pub(super) tickets: Tickets,
}

impl BackendEntry {
    pub(super) fn new(backend: &Backend) -> Self {
        let tickets = Tickets::new(backend.limits.max_concurrent_launches);
        Self { backend: Arc::new(backend.clone()), tickets }
    }
}
