//! Clients with a handshake and a session, and backends that speak nothing but 2026-07-28.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

#[path = "legacy_to_modern/asking.rs"]
mod asking;
#[path = "legacy_to_modern/calls.rs"]
mod calls;
#[path = "legacy_to_modern/changes.rs"]
mod changes;
#[path = "legacy_to_modern/ends.rs"]
mod ends;
#[path = "legacy_to_modern/sessions.rs"]
mod sessions;

use common::{Client, Conforming, Reply, Service, conforming};
use serde_json::{Value, json};

/// Two ways to the same server: the backends `p` over a pipe and `u` over HTTP.
struct World {
    service: Service,
    _upstream: Conforming,
}

const WAYS: [&str; 2] = ["p", "u"];

impl World {
    async fn start(settings: &str) -> Self {
        let upstream = Conforming::start("127.0.0.1:0", "modern");
        let config = conforming("p", "modern", settings) + &upstream.backend(settings);
        Self { service: Service::start(&config).await, _upstream: upstream }
    }
}

/// What a client can that can do everything.
fn everything() -> Value {
    json!({ "sampling": {}, "elicitation": {}, "roots": { "listChanged": true } })
}

async fn able(service: &Service, backend: &str) -> Client {
    Client::open_with(service, backend, "", everything()).await
}

/// Starts a call and gives its reply, which is expected to become a stream.
async fn start(client: &Client, tool: &str, arguments: Value) -> (Value, Reply) {
    let message = client.message("tools/call", json!({ "name": tool, "arguments": arguments }));
    let reply = client.post(&message).await;
    assert_eq!(reply.status, 200);
    assert!(reply.is_stream(), "{tool} has something to say before its answer");
    (message, reply)
}
