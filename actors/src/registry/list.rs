//! Listing the keys, and finding a name that was meant.

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

/// The name nearest to `name`, if one is near enough to have been meant.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = names.map(|other| (strsim::normalized_damerau_levenshtein(name, other), other));
    let best = scored.filter(|(score, _)| *score > 0.5).max_by(|one, other| one.0.total_cmp(&other.0));
    best.map(|(_, name)| name.to_owned())
}
