//! Listing what there is.

use std::sync::Arc;

use super::RegistryState;
use crate::metadata::ConnectionMetadata;

/// How a backend stands, apart from its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendState {
    /// Its name.
    pub name: Arc<str>,
    /// Launches are held back, since too many of its connections failed in a row.
    pub breaker_open: bool,
    /// An operator stopped it.
    pub stopped_by_operator: bool,
    /// Processes in reserve that are being started.
    pub spares_starting: usize,
    /// Processes in reserve that are up.
    pub spares_warm: usize,
}

impl RegistryState {
    /// A copy of what is known of every key, in the order of keys.
    pub(super) fn list(&self) -> Vec<ConnectionMetadata> {
        let mut list: Vec<_> = self.entries.iter().map(|(key, entry)| entry.metadata(key)).collect();
        list.sort_by(|one, other| one.key.cmp(&other.key));
        list
    }

    /// How every configured backend stands, in the order of names.
    pub(super) fn backend_states(&mut self) -> Vec<BackendState> {
        let stopped = self.args.stopped.load();
        let state = |(name, entry): (&Arc<str>, &mut super::BackendEntry)| {
            let (spares_starting, spares_warm) = entry.spares.count();
            BackendState {
                name: name.clone(),
                breaker_open: entry.breaker().is_open(),
                stopped_by_operator: stopped.contains(name),
                spares_starting,
                spares_warm,
            }
        };
        let mut list: Vec<_> = self.backends.iter_mut().map(state).collect();
        list.sort_by(|one, other| one.name.cmp(&other.name));
        list
    }
}
