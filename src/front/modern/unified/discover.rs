//! `server/discover`: several backends introduce themselves as one.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Visitor;
use crate::front::modern::checks::SUPPORTED;
use crate::front::modern::talk::Said;
use crate::front::unified::{
    Introduced, Page, UNAVAILABLE, capabilities, instructions, server_info, unavailable,
};

impl Visitor {
    pub(super) async fn discover(&self) -> Said {
        let members = self.set.members();
        let ask = |face| self.ask_patiently(face, "server/discover", json!({}));
        let pages = join_all(members.iter().map(ask)).await;
        let (mut backends, mut missing): (Vec<Introduced>, Vec<Value>) = Default::default();
        let (mut ttl, mut public): (Option<u64>, bool) = (None, !self.set.is_for_one());
        for (face, page) in members.iter().zip(pages) {
            let said = match page {
                Page::Result(result) => serde_json::from_str::<Value>(&result).ok(),
                // It does not introduce itself; it may have anything all the same.
                Page::Nothing => None,
                Page::BadCursor(text) => {
                    missing.push(unavailable(&face.name, "error", &text));
                    None
                }
                Page::Unavailable(reason, text) => {
                    missing.push(unavailable(&face.name, reason, &text));
                    None
                }
            };
            let lasts = said.as_ref().and_then(|said| said["ttlMs"].as_u64()).unwrap_or(0);
            ttl = Some(ttl.map_or(lasts, |least| least.min(lasts)));
            public &= said.as_ref().is_some_and(|said| said["cacheScope"] == "public");
            backends.push((face.name.to_string(), said));
        }
        let mut meta = json!({ "io.modelcontextprotocol/serverInfo": server_info() });
        if !missing.is_empty() {
            meta[UNAVAILABLE] = missing.into();
        }
        let mut result = json!({
            "supportedVersions": SUPPORTED,
            "capabilities": capabilities(&backends),
            "resultType": "complete",
            "ttlMs": ttl.unwrap_or(0),
            "cacheScope": if public { "public" } else { "private" },
            "_meta": meta,
        });
        if let Some(instructions) = instructions(&backends) {
            result["instructions"] = instructions.into();
        }
        self.told(&result.to_string())
    }
}
