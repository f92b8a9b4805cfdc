//! The routes of keys that are no single session's own. They stay when a key is evicted: the error budget, the
//! members and what they want together belong to the key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::RegistryAddress;
use crate::key::ConnectionKey;
use crate::live::Settings;
use crate::route::Route;

/// As long as a stopped key stays visible.
const REMEMBERED: Duration = Duration::from_secs(3600);

type Routes = HashMap<ConnectionKey, Route>;

/// One route for each such key that was ever used; a key that has ended gets another.
#[derive(Clone, Default)]
pub(crate) struct Hosts {
    /// Those that sessions share. Written by the Registry only, and kept outside of it: sessions that say nothing
    /// must not be forgotten when a Registry fails. There are few, so that each change may copy them.
    common: Arc<ArcSwap<Routes>>,
    /// Those of the library's callers, who hold them.
    own: Routes,
}

impl Hosts {
    /// The route that stands for `key`.
    pub(super) fn of(&mut self, key: &ConnectionKey, address: &RegistryAddress, settings: Settings) -> Route {
        self.known(key).unwrap_or_else(|| self.insert(Route::own(key.clone(), address.clone(), settings)))
    }

    /// The route that stands for the key of `route`, which joins it.
    pub(super) fn of_route(&mut self, route: &Route, address: &RegistryAddress, settings: Settings) -> Route {
        if !route.key().is_sessionless() || route.is_own() {
            return self.of(route.key(), address, settings);
        }
        let host = self.known(route.key());
        host.unwrap_or_else(|| self.insert(Route::for_guests(address.clone(), route, settings)))
    }

    /// The route that stands for a key that is used by many, if it has been used. Read from anywhere.
    pub(crate) fn common(&self, key: &ConnectionKey) -> Option<Route> {
        self.common.load().get(key).filter(|host| host.ended().is_none()).cloned()
    }

    fn known(&self, key: &ConnectionKey) -> Option<Route> {
        if key.is_common() {
            return self.common(key);
        }
        self.own.get(key).filter(|host| host.ended().is_none()).cloned()
    }

    /// A route of a caller of the library, which has outlived the Registry before this one.
    pub(super) fn adopt(&mut self, host: &Route) {
        if !host.key().is_common() && host.ended().is_none() && !self.own.contains_key(host.key()) {
            self.insert(host.clone());
        }
    }

    /// Those of a backend, connected or not.
    pub(super) fn of_backend(&self, backend: &str) -> Vec<Route> {
        let common = self.common.load();
        let all = common.values().chain(self.own.values());
        all.filter(|host| *host.key().backend_id == *backend).cloned().collect()
    }

    /// Forgets what nobody has used for long: its key is neither served (`in_use`), nor has it members.
    pub(super) fn forget_unused(&mut self, in_use: impl Fn(&ConnectionKey) -> bool) {
        let now = Instant::now();
        let is_unused = |key: &ConnectionKey, host: &Route| {
            let place = host.place();
            let recent = now.saturating_duration_since(place.usage.last_used()) < REMEMBERED;
            !in_use(key) && !recent && place.members.all().is_empty()
        };
        self.own.retain(|key, host| !is_unused(key, host));
        if self.common.load().iter().any(|(key, host)| is_unused(key, host)) {
            self.change(|hosts| hosts.retain(|key, host| !is_unused(key, host)));
        }
    }

    /// The key is over.
    pub(super) fn end(&mut self, key: &ConnectionKey) {
        self.own.remove(key);
        if self.common.load().contains_key(key) {
            self.change(|hosts| drop(hosts.remove(key)));
        }
    }

    fn insert(&mut self, host: Route) -> Route {
        if host.key().is_common() {
            self.change(|hosts| drop(hosts.insert(host.key().clone(), host.clone())));
        } else {
            self.own.insert(host.key().clone(), host.clone());
        }
        host
    }

    fn change(&self, change: impl Fn(&mut Routes)) {
        self.common.rcu(|hosts| {
            let mut hosts = Routes::clone(hosts);
            change(&mut hosts);
            hosts
        });
    }
}
