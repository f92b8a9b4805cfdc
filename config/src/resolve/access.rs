//! `auth.rules`.

use std::sync::Arc;

use crate::AccessRule;
use crate::read::Reader;

/// Everybody's tools, where a rule does not say which.
const ALL_TOOLS: &str = "*";

pub(super) fn rules(auth: &Reader<'_>) -> Arc<[AccessRule]> {
    let rule = |entry: &Reader<'_>| {
        let named = |list: &str, example: &str| {
            let names = entry.texts(list);
            if names.is_empty() {
                entry.fault(
                    list,
                    "a rule that names none gives nothing",
                    format!("write {list} = {example}"),
                );
            }
            names
        };
        let (principals, backends) = (named("principals", "[\"ci\"]"), named("backends", "[\"*\"]"));
        let tools = if entry.has("tools") { entry.texts("tools") } else { vec![ALL_TOOLS.to_owned()] };
        AccessRule { principals, backends, tools }
    };
    auth.tables("rules").iter().map(rule).collect()
}
