//! Which arguments of which tools HTTP headers repeat: `x-mcp-header` in the tools' schemas (2026-07-28, "Custom Headers
//! from Tool Parameters"). Pure.

mod annotation;
mod sifting;

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub use sifting::Dropped;
pub(crate) use sifting::sifted;

const KEYWORD: &[u8] = annotation::KEYWORD.as_bytes();

/// One argument that a header repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// The header is `Mcp-Param-` and this.
    pub name: String,
    /// The keys that lead to the value in `params.arguments`.
    pub path: Vec<String>,
}

/// What is known of a backend's tools, and who is to know more.
pub trait KnownTools: Send + Sync {
    /// The arguments of a tool; `None`: the list has to be read first.
    fn mirrored(&self, tool: &str) -> Option<Arc<[Mirrored]>>;

    /// The list has been read anew.
    fn renew(&self, tools: MirroredTools);

    /// These tools of a list are kept from clients.
    fn dropped(&self, tools: &[Dropped]);
}

/// What a backend's tool list has said.
#[derive(Debug, Clone, Default)]
pub struct MirroredTools {
    tools: HashMap<String, Arc<[Mirrored]>>,
    /// The last page was seen, and nothing has changed since.
    complete: bool,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    tools: Vec<Tool<'a>>,
    #[serde(borrow, rename = "nextCursor")]
    next: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    name: String,
    #[serde(borrow, rename = "inputSchema")]
    schema: Option<&'a RawValue>,
}

impl MirroredTools {
    /// The arguments of a tool; `None`: the list has to be read first.
    pub fn of(&self, tool: &str) -> Option<Arc<[Mirrored]>> {
        match self.tools.get(tool) {
            Some(mirrored) => Some(mirrored.clone()),
            None => self.complete.then(|| Arc::from([])),
        }
    }

    /// There is nothing more to be seen.
    pub(crate) fn complete(mut self) -> Self {
        self.complete = true;
        self
    }

    /// Takes note of one page (raw JSON).
    pub fn learn(&mut self, result: &[u8]) {
        // Most servers have none, and their lists are long.
        let any = memchr::memmem::find(result, KEYWORD).is_some();
        let Ok(page) = serde_json::from_slice::<Page<'_>>(result) else { return };
        for tool in page.tools {
            let schema = tool
                .schema
                .filter(|schema| any && memchr::memmem::find(schema.get().as_bytes(), KEYWORD).is_some());
            let mirrored = schema
                .and_then(|schema| serde_json::from_str(schema.get()).ok())
                .map(|schema| found(&schema));
            self.tools.insert(tool.name, mirrored.unwrap_or_default().into());
        }
        self.complete |= page.next.is_none();
    }
}

/// Those that a chain of `properties` leads to; elsewhere the keyword has no meaning.
fn found(schema: &Value) -> Vec<Mirrored> {
    let mut all = Vec::new();
    collect(schema, &mut Vec::new(), &mut all);
    all
}

fn collect(schema: &Value, path: &mut Vec<String>, all: &mut Vec<Mirrored>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (key, property) in properties {
        path.push(key.clone());
        if let Some(name) = property["x-mcp-header"].as_str() {
            all.push(Mirrored { name: name.to_owned(), path: path.clone() });
        }
        collect(property, path, all);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header would be asked for that no client sends, or one let through that says something else than the body.
    #[test]
    fn arguments_are_found_by_their_exact_path() {
        let mut tools = MirroredTools::default();
        assert_eq!(tools.of("sql"), None);
        tools.learn(
            br#"{"tools":[{"name":"sql","inputSchema":{"type":"object","properties":{
                "region":{"type":"string","x-mcp-header":"Region"},
                "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
                "list":{"type":"array","items":{"properties":{"x":{"x-mcp-header":"X"}}}}}}},
                {"name":"plain","inputSchema":{}}],"nextCursor":"2"}"#,
        );
        let name = |name: &str, path: &[&str]| Mirrored {
            name: name.to_owned(),
            path: path.iter().map(|key| (*key).to_owned()).collect(),
        };
        assert_eq!(tools.of("sql").unwrap()[..], [name("Region", &["region"]), name("N", &["deep", "n"])]);
        assert!(tools.of("plain").unwrap().is_empty());
        assert_eq!(tools.of("other"), None, "it may stand on the next page");
        tools.learn(br#"{"tools":[]}"#);
        assert!(tools.of("other").unwrap().is_empty());
    }
}
