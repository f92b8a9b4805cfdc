//! `auth.rules`.

use toml_edit::{Array, InlineTable};

use super::list;
use crate::AccessRule;

pub(super) fn rules(rules: &[AccessRule]) -> Array {
    let entry = |rule: &AccessRule| {
        let lists = [("principals", &rule.principals), ("backends", &rule.backends), ("tools", &rule.tools)];
        InlineTable::from_iter(lists.map(|(key, globs)| (key, list(globs))))
    };
    rules.iter().map(entry).collect()
}
