//! Another configuration while everything runs: what is the same goes on, what is new is served, what is gone is drained.

use std::sync::Arc;

use mcpvisor_config::{Backend, Change, Config, Difference};

use super::backend::BackendEntry;
use super::{Ordered, RegistryState, entry, tell};
use crate::error::EndCause;
use crate::key::ConnectionKey;
use crate::live::served;
use crate::supervisor::{Configured, SupervisorMsg};

/// What a reload did to the connections that there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Those that are replaced, once what is in flight is done.
    pub relaunched: usize,
    /// Those that end, likewise, with their sessions: their backend is gone.
    pub ended: usize,
}

impl RegistryState {
    /// `live` says what holds, and `difference` what is new about that.
    pub(super) fn reload(&mut self, difference: &Difference) -> Ordered<Reloaded> {
        let config = self.args.live.config();
        let mut reloaded = Reloaded::default();
        for name in &difference.removed {
            reloaded.ended += self.remove_backend(&Arc::from(name.as_str()));
        }
        for backend in served(&config) {
            let name: Arc<str> = backend.name.as_str().into();
            match self.backends.get_mut(&name) {
                Some(known) if *known.backend == *backend => {}
                Some(known) => known.configure(backend),
                None => self.add_backend(name, backend),
            }
        }
        self.tell_all(&config);
        // Not before everybody knows: what is launched from here on must not be one of before.
        for (name, changed) in &difference.changed {
            let name = Arc::from(name.as_str());
            if self.backends.contains_key(&name) {
                reloaded.relaunched += self.change_backend(&name, changed.how);
            }
        }
        self.keep_all_spares();
        Ordered::new(reloaded, self.entries.values())
    }

    /// In flight may finish in its time. New sessions find no such backend; those that there are, are over.
    fn remove_backend(&mut self, name: &Arc<str>) -> usize {
        let cause = EndCause::Removed;
        if let Some(entry) = self.backends.remove(name) {
            entry.metrics.breaker(false);
            entry.metrics.spares(0, 0);
        }
        self.forget_era(name);
        self.stop_backend(name, false);
        self.end_spares(name, "removed");
        for host in self.hosts.of_backend(name) {
            host.conclude(cause);
            self.hosts.end(host.key());
        }
        let own = self.entries.iter().filter(|(key, _)| key.backend_id == *name);
        let mut ended = 0;
        for (_, entry) in own {
            if entry.route.ended().is_none() {
                entry.route.conclude(cause);
            }
            tell(&entry.supervisor, SupervisorMsg::Delete { cause, done: None });
            ended += 1;
        }
        ended
    }

    fn add_backend(&mut self, name: Arc<str>, backend: &Backend) {
        self.backends.insert(name, BackendEntry::new(backend));
    }

    /// An operator's stop was one of the backend as it was. What only follows a general setting takes nothing back.
    fn change_backend(&mut self, name: &Arc<str>, how: Change) -> usize {
        let was_stopped = self.is_stopped(name);
        self.stop_backend(name, false);
        let own: Vec<ConnectionKey> =
            self.entries.keys().filter(|key| key.backend_id == *name).cloned().collect();
        for entry in own.iter().filter_map(|key| self.entries.get(key)) {
            if how == Change::Relaunch {
                tell(&entry.supervisor, SupervisorMsg::Restart { by_hand: false });
            }
            if was_stopped {
                tell(&entry.supervisor, SupervisorMsg::Start);
            }
        }
        let too_many = self.backends.get(name).is_some_and(|entry| entry.spares.are_too_many());
        if how == Change::Relaunch {
            self.forget_era(name);
        }
        if how == Change::Relaunch || too_many {
            self.end_spares(name, "reload");
        }
        if how == Change::InPlace {
            self.admit(name);
            return 0;
        }
        self.reset_breaker(name);
        own.len()
    }

    /// Every Supervisor is told what holds for it, if that is something else than before.
    fn tell_all(&mut self, config: &Config) {
        for (key, entry) in &mut self.entries {
            let known = self.backends.get(&key.backend_id).map(|known| known.backend.clone());
            let launchable = known.is_some();
            let backend = match known {
                Some(backend) => backend,
                // On its way out, as it was.
                None if entry.route.ended().is_some() => continue,
                None => Arc::new(entry::unconfigured(key, config)),
            };
            let place = entry.route.place();
            if **place.settings.load() != *backend {
                place.settings.store(backend.clone());
            }
            let configured = Configured {
                backend,
                launchable,
                expose_stderr: config.telemetry.expose_stderr,
                drain_timeout: config.gateway.drain_timeout,
            };
            if entry.configured != configured {
                entry.configured = configured.clone();
                tell(&entry.supervisor, SupervisorMsg::Configure(configured));
            }
        }
    }
}

#[cfg(test)]
mod tests;
