//! A backend as the front sees it: its name, the settings that concern the front, its metrics.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use mcpvisor_actors::metrics::{Counters, Gauges, histogram_of};
use mcpvisor_config::{Backend, Config, Http, Limits, Rate, Timeouts, Transport};
use metrics::{Counter, Gauge, Histogram};
use serde_json::Value;

use super::admission::{Full, Rates, Tally};
use super::session::Bounds;
use crate::telemetry::catalogue::{REQUEST_ERRORS, SERVER_SESSION, SESSIONS, STREAM_OVERFLOWS, STREAMS_OPEN};

/// Large answers, each as long as may be, that a session may leave unfetched.
pub(crate) const UNFETCHED: usize = 4;

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
    /// What it last said of itself to a client of any session; `None`: nothing since it was configured.
    pub(crate) said: ArcSwapOption<Value>,
    /// Milliseconds that one of its lists has taken, where that was too long.
    slowest: AtomicU64,
    rates: Rates,
    /// Its sessions, where these are bounded.
    pub(crate) sessions_counted: Tally,
}

/// What is configured of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaceSettings {
    pub(crate) max_body_bytes: usize,
    /// How long a body may take as a whole.
    pub(crate) body_timeout: Duration,
    /// How fast the requests of one principal may come; off for several backends as one, each of which has its own.
    pub(crate) rate: Rate,
    /// Where it has fewer than all together may have; 0 = no bound of its own.
    pub(crate) max_sessions: usize,
    /// `network.transport` towards the backend.
    pub(crate) transport: &'static str,
    /// Whether it, or one of several, is to see what clients have in `Authorization`.
    pub(crate) sees_credentials: bool,
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
    /// Of a backend, or of several as one, under a name that no backend has.
    pub(crate) fn new(name: &str, settings: FaceSettings) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name: Arc<str> = name.into();
        let streams = Gauges::new(&STREAMS_OPEN, Some(&name));
        Self {
            index: NEXT.fetch_add(1, Relaxed),
            settings: ArcSwap::from_pointee(settings),
            sessions: Gauges::new(&SESSIONS, Some(&name)).get(&[]),
            session_duration: histogram_of(&SERVER_SESSION, Some(&name)),
            streams_get: streams.get(&["get"]),
            streams_post: streams.get(&["post"]),
            streams_listen: streams.get(&["listen"]),
            overflows: Counters::new(&STREAM_OVERFLOWS, Some(&name)).get(&[]),
            errors: Counters::new(&REQUEST_ERRORS, Some(&name)),
            said: ArcSwapOption::empty(),
            slowest: AtomicU64::new(0),
            rates: Rates::new(settings.rate),
            sessions_counted: Tally::default(),
            name,
        }
    }

    /// They are others from now on.
    pub(crate) fn set(&self, settings: FaceSettings) {
        self.rates.configure(settings.rate);
        self.settings.store(Arc::new(settings));
    }

    /// How long a list of several backends waits for this one: `least`, or longer where it was seen to be slower. A list that
    /// always came without it would be of no use.
    pub(crate) fn patience(&self, least: Duration) -> Duration {
        least.max(2 * Duration::from_millis(self.slowest.load(Relaxed)))
    }

    /// One of its lists has come too late, after this time.
    pub(crate) fn was_slow(&self, took: Duration) {
        self.slowest.fetch_max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX / 4), Relaxed);
    }

    /// Takes note of one request of this principal, if that is not one too many.
    pub(crate) fn check_rate(&self, principal: &str) -> Result<(), Full> {
        self.rates.check(principal)
    }

    /// As they are now.
    pub(crate) fn settings(&self) -> FaceSettings {
        **self.settings.load()
    }
}

impl FaceSettings {
    /// Of several backends as one: what holds where none says otherwise.
    pub(crate) fn general(config: &Config) -> Self {
        let sees_credentials = config.backends.values().any(sees_credentials);
        let all = Self::with(&config.limits, &config.timeouts, &config.http, "pipe");
        Self { sees_credentials, rate: Rate::default(), ..all }
    }

    fn of(backend: &Backend, config: &Config) -> Self {
        let transport = match backend.transport {
            Transport::Http { .. } => "tcp",
            Transport::Stdio { .. } => "pipe",
        };
        let sees_credentials = sees_credentials(backend);
        let own = backend.limits.max_sessions;
        let max_sessions = if own < config.limits.max_sessions { own } else { 0 };
        let all = Self::with(&backend.limits, &backend.timeouts, &config.http, transport);
        Self { sees_credentials, max_sessions, ..all }
    }

    fn with(limits: &Limits, timeouts: &Timeouts, http: &Http, transport: &'static str) -> Self {
        Self {
            transport,
            sees_credentials: false,
            max_body_bytes: limits.max_body_bytes,
            body_timeout: http.body_timeout,
            rate: limits.rate,
            max_sessions: 0,
            max_unfetched: limits.max_message_bytes.saturating_mul(UNFETCHED),
            keep_alive: timeouts.sse_keepalive.max(Duration::from_millis(10)),
            replay_bounds: Bounds { events: limits.replay_events, bytes: limits.replay_bytes },
        }
    }
}

/// Whether it is to see what clients have in `Authorization`.
pub(crate) fn sees_credentials(backend: &Backend) -> bool {
    matches!(backend.transport, Transport::Http { forward_authorization: true, .. })
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
            let face = gone.remove(&backend.name);
            let settings = FaceSettings::of(backend, config);
            let face = face.unwrap_or_else(|| Arc::new(Face::new(&backend.name, settings)));
            face.said.store(None);
            face.set(settings);
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
