//! Names of tools as label values (`telemetry.tool_labels`): those of the backend's own lists, and no more than [`MOST`].

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Deserialize;

use super::sets::OTHER;

/// So many names of one backend become label values; all others are `_OTHER`.
const MOST: usize = 200;

/// What a backend's lists have named so far, in whichever of its connections. Copied at a new name, read without waiting.
#[derive(Debug, Default)]
pub(crate) struct ToolNames(ArcSwap<HashSet<Arc<str>>>);

#[derive(Deserialize)]
struct ToolList {
    tools: Vec<Tool>,
}

/// An entry of a list, or the params of a call.
#[derive(Deserialize)]
struct Tool {
    name: String,
}

impl ToolNames {
    /// Reads one page of a `tools/list` result.
    pub(crate) fn learn(&self, result: &[u8]) {
        let Ok(list) = serde_json::from_slice::<ToolList>(result) else { return };
        let known = self.0.load();
        if known.len() >= MOST || list.tools.iter().all(|tool| known.contains(&*tool.name)) {
            return;
        }
        self.0.rcu(|known| {
            let mut known = HashSet::clone(known);
            for tool in &list.tools {
                if known.len() < MOST {
                    known.insert(tool.name.as_str().into());
                }
            }
            known
        });
    }

    /// The label value for a `tools/call` with these params.
    pub(crate) fn label(&self, params: Option<&[u8]>) -> Arc<str> {
        let call = params.and_then(|params| serde_json::from_slice::<Tool>(params).ok());
        let known = self.0.load();
        let name = call.and_then(|call| known.get(&*call.name).cloned());
        name.unwrap_or_else(|| OTHER.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(names: &ToolNames, tool: &str) -> String {
        names.label(Some(format!(r#"{{"name":"{tool}","arguments":{{}}}}"#).as_bytes())).to_string()
    }

    fn list(names: impl Iterator<Item = usize>) -> Vec<u8> {
        let tools: Vec<String> = names.map(|number| format!(r#"{{"name":"t{number}"}}"#)).collect();
        format!(r#"{{"tools":[{}]}}"#, tools.join(",")).into_bytes()
    }

    /// A client could make labels by calling what is not there.
    #[test]
    fn only_what_the_backend_lists_is_a_label() {
        let names = ToolNames::default();
        assert_eq!(label(&names, "t1"), "_OTHER");
        names.learn(&list(1..3));
        assert_eq!((label(&names, "t1"), label(&names, "t3")), ("t1".to_owned(), "_OTHER".to_owned()));
        assert_eq!(&*names.label(None), "_OTHER");
        names.learn(b"no list");
        names.learn(&list(3..4));
        assert_eq!((label(&names, "t1"), label(&names, "t3")), ("t1".to_owned(), "t3".to_owned()));
    }

    /// A backend that names its tools anew all the time would fill the memory of Prometheus.
    #[test]
    fn no_backend_makes_more_than_two_hundred() {
        let names = ToolNames::default();
        names.learn(&list(0..150));
        names.learn(&list(150..300));
        names.learn(&list(300..310));
        let known = (0..310).filter(|number| label(&names, &format!("t{number}")) != "_OTHER");
        assert_eq!(known.count(), MOST);
        assert_eq!((label(&names, "t199"), label(&names, "t305")), ("t199".to_owned(), "_OTHER".to_owned()));
    }
}
