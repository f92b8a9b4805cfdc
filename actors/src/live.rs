//! What holds now, for everybody who reads it without asking anybody.
//!
//! Kept outside of the actors, since a Registry that fails must not go back to what held at the start. Written by the
//! Root only, at a reload.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcpvisor_config::{Backend, Config, nearest};

use crate::error::Refusal;

/// The settings of one backend, which change under those who hold them.
pub(crate) type Settings = Arc<ArcSwap<Backend>>;

/// See the module.
pub(crate) struct Live {
    config: ArcSwap<Config>,
    /// Those that are served. One that stays keeps its settings: sessions without a connection hold them too.
    backends: ArcSwap<HashMap<String, Settings>>,
}

impl Live {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        let backends = served(&config).map(|backend| (backend.name.clone(), settings(backend.clone())));
        Self { backends: ArcSwap::from_pointee(backends.collect()), config: ArcSwap::new(config) }
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// The settings of a backend that is served.
    pub(crate) fn settings(&self, name: &str) -> Option<Settings> {
        self.backends.load().get(name).cloned()
    }

    /// From now on this holds.
    pub(crate) fn set(&self, config: Arc<Config>) {
        let before = self.backends.load();
        let backends = served(&config).map(|backend| {
            let known = before.get(&backend.name).cloned();
            if let Some(known) = known.as_ref().filter(|known| **known.load() != *backend) {
                known.store(Arc::new(backend.clone()));
            }
            (backend.name.clone(), known.unwrap_or_else(|| settings(backend.clone())))
        });
        self.backends.store(Arc::new(backends.collect()));
        self.config.store(config);
    }
}

/// The backends that are served.
pub(crate) fn served(config: &Config) -> impl Iterator<Item = &Backend> {
    config.backends.values().filter(|backend| !backend.disabled)
}

/// "server 'x' not found in config", with the nearest name.
pub(crate) fn unknown_backend(config: &Config, name: &Arc<str>) -> Refusal {
    let names = served(config).map(|backend| &*backend.name);
    Refusal::UnknownBackend { name: name.clone(), nearest: nearest(name, names).map(str::to_owned) }
}

/// Settings that nobody else holds yet.
pub(crate) fn settings(backend: Backend) -> Settings {
    Arc::new(ArcSwap::from_pointee(backend))
}
