//! The routes of keys that are no single session's own. They stay when a key is evicted: the error budget, the
//! members and what they want together belong to the key.

use std::collections::HashMap;
use std::time::Duration;

use mcpvisor_config::Backend;
use tokio::time::Instant;

use super::RegistryAddress;
use crate::key::ConnectionKey;
use crate::route::Route;

/// As long as a stopped key stays visible.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// One route for each such key that was ever used; a key that has ended gets another.
#[derive(Default)]
pub(super) struct Hosts(HashMap<ConnectionKey, Route>);

impl Hosts {
    /// The route that stands for `key`.
    pub(super) fn of(&mut self, key: &ConnectionKey, address: &RegistryAddress, backend: &Backend) -> Route {
        if let Some(host) = self.0.get(key).filter(|host| host.ended().is_none()) {
            return host.clone();
        }
        let host = Route::own(key.clone(), address.clone(), backend);
        self.0.insert(key.clone(), host.clone());
        host
    }

    /// A route that outlived the Registry before this one still stands for its key.
    pub(super) fn adopt(&mut self, host: &Route) {
        if host.ended().is_none() {
            self.0.entry(host.key().clone()).or_insert_with(|| host.clone());
        }
    }

    /// Forgets what nobody has used for long: its key is neither served (`in_use`), nor has it members.
    pub(super) fn forget_unused(&mut self, in_use: impl Fn(&ConnectionKey) -> bool) {
        let now = Instant::now();
        self.0.retain(|key, host| {
            let place = host.place();
            let recent = now.saturating_duration_since(place.usage.last_used()) < REMEMBERED;
            in_use(key) || recent || !place.members.all().is_empty()
        });
    }

    /// The key is over.
    pub(super) fn end(&mut self, key: &ConnectionKey) {
        self.0.remove(key);
    }
}
