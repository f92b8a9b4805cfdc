//! A backend as the front sees it: its name, the settings that concern the front, its metrics.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use mcpvisor_config::{Backend, Config};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::measure;
use super::session::Bounds;

/// Large answers, each as long as may be, that a session may leave unfetched.
const UNFETCHED: usize = 4;

/// One backend that is served.
pub(crate) struct Face {
    pub(crate) name: Arc<str>,
    /// Tells it apart in caches of metric handles.
    pub(crate) index: usize,
    pub(crate) max_body_bytes: usize,
    /// Bytes of large answers that a session may leave unfetched before it gets no more.
    pub(crate) max_unfetched: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) replay_bounds: Bounds,
    pub(crate) sessions: Gauge,
    pub(crate) session_duration: Histogram,
    pub(crate) streams_get: Gauge,
    pub(crate) streams_post: Gauge,
    pub(crate) overflows: Counter,
}

impl Face {
    fn new(backend: &Backend) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name: Arc<str> = backend.name.as_str().into();
        let label = || metrics::SharedString::from(name.clone());
        let face = Self {
            index: NEXT.fetch_add(1, Relaxed),
            max_body_bytes: backend.limits.max_body_bytes,
            max_unfetched: backend.limits.max_message_bytes.saturating_mul(UNFETCHED),
            keep_alive: backend.timeouts.sse_keepalive.max(Duration::from_millis(10)),
            replay_bounds: Bounds {
                events: backend.limits.replay_events,
                bytes: backend.limits.replay_bytes,
            },
            sessions: gauge!("mcpvisor_sessions", "backend" => label()),
            session_duration: histogram!("mcp_server_session_duration_seconds", "backend" => label()),
            streams_get: gauge!("mcpvisor_streams_open", "backend" => label(), "kind" => "get"),
            streams_post: gauge!("mcpvisor_streams_open", "backend" => label(), "kind" => "post"),
            overflows: counter!("mcpvisor_stream_overflows_total", "backend" => label()),
            name,
        };
        for gauge in [&face.sessions, &face.streams_get, &face.streams_post] {
            gauge.set(0.0);
        }
        face.overflows.increment(0);
        measure::register_errors(&face.name);
        face
    }
}

/// The backends that are served, by name.
pub(crate) fn faces(config: &Config) -> HashMap<String, Arc<Face>> {
    let served = config.backends.iter().filter(|(_, backend)| !backend.disabled);
    served.map(|(name, backend)| (name.clone(), Arc::new(Face::new(backend)))).collect()
}
