//! Whose credentials reach which server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "credentials/forwarded.rs"]
mod forwarded;
#[path = "credentials/server.rs"]
mod server;
#[path = "credentials/tokens.rs"]
mod tokens;

use common::{Ask, Client, Reply, Service};
use serde_json::{Value, json};

/// A user with a token of the server's.
struct User<'a> {
    service: &'a Service,
    path: &'static str,
    session: String,
}

impl<'a> User<'a> {
    /// Shakes hands.
    async fn open(service: &'a Service, path: &'static str, shows: &str) -> Self {
        let reply = initialize(service, path, shows).await;
        assert_eq!(reply.status, 200);
        let session = reply.header("mcp-session-id").unwrap().to_owned();
        let user = Self { service, path, session };
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(user.post(shows, &initialized).await.status, 202);
        user
    }

    async fn post(&self, shows: &str, message: &Value) -> Reply {
        let ask = shown(Ask::mcp(self.path, message.to_string()), shows);
        ask.header("mcp-session-id", &self.session).send(&self.service.main).await
    }

    /// The status of a call.
    async fn call(&self, shows: &str) -> Reply {
        let params = json!({ "name": "t", "arguments": {} });
        self.post(shows, &json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }))
            .await
    }

    async fn other(&self, method: &str, shows: &str) -> Reply {
        let ask = shown(Ask::new(method, self.path), shows).header("accept", "text/event-stream");
        ask.header("mcp-session-id", &self.session).send(&self.service.main).await
    }
}

async fn initialize(service: &Service, path: &str, shows: &str) -> Reply {
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    shown(Ask::mcp(path, initialize), shows).send(&service.main).await
}

/// With credentials, and with a cookie, which is nobody's business but ours.
fn shown(ask: Ask, shows: &str) -> Ask {
    let ask = ask.header("cookie", "a=c00kie");
    if shows.is_empty() { ask } else { ask.header("authorization", shows) }
}
