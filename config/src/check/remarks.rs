//! What is allowed, and may not be what the user expects.

use crate::error::{NoteKind, Remark};
use crate::key_path::KeyPath;
use crate::{Config, Isolation};

/// What is said at the start and by `check`.
pub(crate) fn remarks(config: &Config) -> Vec<Remark> {
    let served = config.backends.iter().filter(|(_, backend)| !backend.disabled);
    let one_for_all = served
        .filter(|(_, backend)| backend.isolation == Isolation::Principal && config.auth.keys.is_empty());
    let what = "without auth.keys every client is the same principal, so all of them share one connection";
    one_for_all
        .map(|(name, _)| Remark {
            kind: NoteKind::Warning,
            at: KeyPath::of(&["backends", name, "isolation"]),
            what: what.to_owned(),
        })
        .collect()
}
