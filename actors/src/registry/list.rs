//! Listing the keys.

use super::RegistryState;
use crate::metadata::ConnectionMetadata;

impl RegistryState {
    /// A copy of what is known of every key, in the order of keys.
    pub(super) fn list(&self) -> Vec<ConnectionMetadata> {
        let mut list: Vec<_> = self.entries.iter().map(|(key, entry)| entry.metadata(key)).collect();
        list.sort_by(|one, other| one.key.cmp(&other.key));
        list
    }
}
