//! Several backends as one: `/mcp`, and groups of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "unified/asking.rs"]
mod asking;
#[path = "unified/calls.rs"]
mod calls;
#[path = "common/all.rs"]
mod common;
#[path = "unified/dead.rs"]
mod dead;
#[path = "unified/ends.rs"]
mod ends;
#[path = "unified/groups.rs"]
mod groups;
#[path = "unified/lists.rs"]
mod lists;
#[allow(dead_code, reason = "these tests do not use all of it")]
#[path = "modern/client.rs"]
mod modern;
#[path = "unified/resources.rs"]
mod resources;
#[path = "unified/sessionless.rs"]
mod sessionless;

use std::fs;

use common::{Ask, Client, Reply, Service, backend, eventually};
use serde_json::{Value, json};

/// The endpoint of all backends, for clients that take `/mcp/NAME`.
const ALL: &str = "";

/// Two backends that have everything.
fn two(settings: &str) -> String {
    backend("a", &["--scheme", "a", "--fault-tools"], settings)
        + &backend("b", &["--scheme", "b", "--fault-tools"], settings)
}

/// A client that can be asked everything.
async fn open(service: &Service, path: &str) -> Client {
    let capabilities = json!({ "sampling": {}, "elicitation": {}, "roots": { "listChanged": true } });
    Client::open_with(service, path, "", capabilities).await
}

/// The entries of a list, page by page, by what they are called.
async fn listed(client: &Client, method: &str, field: &str, name: &str) -> Vec<Vec<String>> {
    let (mut pages, mut params) = (Vec::new(), json!({}));
    loop {
        let answer = client.request(method, params).await;
        let result = &answer["result"];
        pages.push(names(&result[field], name));
        let Some(next) = result["nextCursor"].as_str() else { return pages };
        params = json!({ "cursor": next });
    }
}

fn names(entries: &Value, name: &str) -> Vec<String> {
    let entries = entries.as_array().unwrap_or_else(|| panic!("no list: {entries}"));
    entries.iter().map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
}

async fn tools(client: &Client) -> Vec<String> {
    listed(client, "tools/list", "tools", "name").await.concat()
}

/// Whether the backend has tools in the list.
fn has(tools: &[String], backend: &str) -> bool {
    tools.iter().any(|tool| *tool == format!("{backend}__echo"))
}

/// Waits for a notification of this method on a stream.
async fn hears(stream: &mut Reply, method: &str) -> Value {
    loop {
        let message = stream.message().await.unwrap_or_else(|| panic!("the stream ended before {method}"));
        if message["method"] == method {
            return message;
        }
    }
}

/// The connections of a backend.
async fn connections(service: &Service, backend: &str) -> usize {
    let all = service.connections().await;
    all.iter().filter(|connection| connection["backend"] == backend).count()
}
