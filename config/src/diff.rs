//! What two configurations differ in, and what it takes to go from one to the other. Pure; no value is ever told, only keys.

mod backend;
mod general;

use std::collections::BTreeMap;

use crate::Config;
use general::general;

/// What a reload from one configuration to another comes to. Backends that are disabled count as not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Backends that are served from then on, sorted.
    pub added: Vec<String>,
    /// Backends that are served no longer, sorted.
    pub removed: Vec<String>,
    /// Backends that stay, and of which a key of their own differs.
    pub changed: BTreeMap<String, Changed>,
    /// Keys outside of `backends` that hold at once, such as `pool.idle_timeout`. Backends that only follow one of
    /// these are not in `changed`.
    pub settings: Vec<String>,
    /// Keys that hold only after a restart of the service.
    pub needs_restart: Vec<String>,
}

/// One backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its keys that differ, without `backends.NAME.`: `command`, `env.TOKEN`, `pool.idle_timeout`.
    pub keys: Vec<String>,
    /// What that takes.
    pub how: Change,
}

/// What it takes to put a change of a backend into effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Its connections go on, and obey the new settings.
    InPlace,
    /// Its connections are replaced: a process cannot be given another command.
    Relaunch,
}

impl Difference {
    /// What differs between the configuration that holds and the one that is wanted.
    pub fn between(running: &Config, wanted: &Config) -> Self {
        let served = |config: &Config, name: &str| config.backends.get(name).is_some_and(|one| !one.disabled);
        let names = |config: &Config, other: &Config| -> Vec<String> {
            let missing = config.backends.keys().filter(|name| served(config, name) && !served(other, name));
            missing.cloned().collect()
        };
        let mut changed = BTreeMap::new();
        for (name, before) in &running.backends {
            let Some(after) = wanted.backends.get(name).filter(|after| after.disabled == before.disabled)
            else {
                continue;
            };
            changed.extend(backend::own(before, after, running, wanted).map(|found| (name.clone(), found)));
        }
        let (settings, needs_restart) = general(running, wanted);
        let (added, removed) = (names(wanted, running), names(running, wanted));
        Self { added, removed, changed, settings, needs_restart }
    }

    /// Whether the two are the same, but for what needs a restart.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, changed, settings, needs_restart: _ } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty() && settings.is_empty()
    }
}

impl Config {
    /// The same with what only a restart can change as `running` has it: what is in effect after a reload.
    pub fn until_restart(mut self, running: &Self) -> Self {
        let Self { gateway, session, telemetry, .. } = &mut self;
        gateway.listen.clone_from(&running.gateway.listen);
        gateway.admin_listen.clone_from(&running.gateway.admin_listen);
        let tls =
            [(&mut gateway.tls, &running.gateway.tls), (&mut gateway.admin_tls, &running.gateway.admin_tls)];
        for (wanted, running) in
            tls.into_iter().filter(|(wanted, running)| wanted.is_some() != running.is_some())
        {
            wanted.clone_from(running);
        }
        gateway.state_dir.clone_from(&running.gateway.state_dir);
        gateway.workers = running.gateway.workers;
        session.state_key.clone_from(&running.session.state_key);
        telemetry.log_format = running.telemetry.log_format;
        telemetry.otlp_endpoint.clone_from(&running.telemetry.otlp_endpoint);
        telemetry.tool_labels = running.telemetry.tool_labels;
        self
    }
}

/// Collects the names of what differs.
#[derive(Default)]
struct Keys(Vec<String>);

impl Keys {
    fn compare<T: PartialEq + ?Sized>(&mut self, key: &str, before: &T, after: &T) {
        if before != after {
            self.0.push(key.to_owned());
        }
    }

    /// The names of a map whose values differ: the values may be secrets.
    fn compare_maps(
        &mut self,
        key: &str,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) {
        let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        for name in names {
            self.compare(&format!("{key}.{name}"), &before.get(name), &after.get(name));
        }
    }
}
