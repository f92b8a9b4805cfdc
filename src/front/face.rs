//! A backend as the front sees it: its name, the settings that concern the front, its metrics.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use mcpvisor_actors::metrics::{Counters, Gauges, histogram_of};
use mcpvisor_config::{Backend, Config, Transport};
use metrics::{Counter, Gauge, Histogram};

use super::session::Bounds;
use crate::telemetry::catalogue::{REQUEST_ERRORS, SERVER_SESSION, SESSIONS, STREAM_OVERFLOWS, STREAMS_OPEN};

/// Large answers, each as long as may be, that a session may leave unfetched.
const UNFETCHED: usize = 4;

/// One backend that is served.
pub(crate) struct Face {
    pub(crate) name: Arc<str>,
    /// Tells it apart in caches of metric handles.
    pub(crate) index: usize,
    settings: ArcSwap<FaceSettings>,
    pub(crate) sessions: Gauge,
    pub(crate) session_duration: Histogram,
    pub(crate) streams_get: Gauge,
    pub(crate) streams_post: Gauge,
    pub(crate) streams_listen: Gauge,
    pub(crate) overflows: Counter,
    pub(crate) errors: Counters,
}

/// What is configured of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaceSettings {
    pub(crate) max_body_bytes: usize,
    /// `network.transport` towards the backend.
    pub(crate) transport: &'static str,
    /// Bytes of large answers that a session may leave unfetched before it gets no more.
    pub(crate) max_unfetched: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) replay_bounds: Bounds,
}

/// Every backend that is served, by name.
pub(crate) struct Faces {
    served: HashMap<String, Arc<Face>>,
    /// Those that were: one that comes back goes on counting.
    gone: HashMap<String, Arc<Face>>,
}

impl Face {
    fn new(backend: &Backend) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name: Arc<str> = backend.name.as_str().into();
        let streams = Gauges::new(&STREAMS_OPEN, Some(&name));
        Self {
            index: NEXT.fetch_add(1, Relaxed),
            settings: ArcSwap::from_pointee(FaceSettings::of(backend)),
            sessions: Gauges::new(&SESSIONS, Some(&name)).get(&[]),
            session_duration: histogram_of(&SERVER_SESSION, Some(&name)),
            streams_get: streams.get(&["get"]),
            streams_post: streams.get(&["post"]),
            streams_listen: streams.get(&["listen"]),
            overflows: Counters::new(&STREAM_OVERFLOWS, Some(&name)).get(&[]),
            errors: Counters::new(&REQUEST_ERRORS, Some(&name)),
            name,
        }
    }

    /// As they are now.
    pub(crate) fn settings(&self) -> FaceSettings {
        **self.settings.load()
    }
}

impl FaceSettings {
    fn of(backend: &Backend) -> Self {
        Self {
            max_body_bytes: backend.limits.max_body_bytes,
            transport: match backend.transport {
                Transport::Http { .. } => "tcp",
                Transport::Stdio { .. } => "pipe",
            },
            max_unfetched: backend.limits.max_message_bytes.saturating_mul(UNFETCHED),
            keep_alive: backend.timeouts.sse_keepalive.max(Duration::from_millis(10)),
            replay_bounds: Bounds {
                events: backend.limits.replay_events,
                bytes: backend.limits.replay_bytes,
            },
        }
    }
}

impl Faces {
    pub(crate) fn new(config: &Config) -> Self {
        Self { served: HashMap::new(), gone: HashMap::new() }.then(config)
    }

    /// Those that follow; sessions hold their faces, so one that stays, or comes back, is the same.
    pub(crate) fn then(&self, config: &Config) -> Self {
        let mut gone = self.gone.clone();
        gone.extend(self.served.iter().map(|(name, face)| (name.clone(), face.clone())));
        let mut served = HashMap::new();
        for backend in config.backends.values().filter(|backend| !backend.disabled) {
            let face = gone.remove(&backend.name).unwrap_or_else(|| Arc::new(Face::new(backend)));
            face.settings.store(Arc::new(FaceSettings::of(backend)));
            served.insert(backend.name.clone(), face);
        }
        Self { served, gone }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Face>> {
        self.served.get(name)
    }

    /// Their names, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.served.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}
