//! Which era a message belongs to. The one place that decides.

use http::HeaderMap;
use mcpvisor_actors::message::Envelope;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Up to 2025-11-25: `initialize`, then a session.
    Legacy,
}

/// The era of a message. One answer until the modern era is served.
pub(crate) fn choose(_headers: &HeaderMap, _message: &Envelope) -> Era {
    Era::Legacy
}
