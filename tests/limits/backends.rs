//! Bounds of one backend, beside those of all.

use serde_json::json;

use super::{begin, config, is_refused, open};
use crate::common::{Client, Service, backend};

/// An override that is accepted and means nothing.
#[tokio::test]
async fn a_backend_has_so_many_sessions_and_connections_of_its_own() {
    let others = [backend("b", &[], ""), backend("c", &[], "limits.max_connections = 1")].concat();
    let text = config("").replace("[backends.a]\n", "[backends.a]\nlimits.max_sessions = 1\n");
    let service = Service::start(&[text, others].concat()).await;
    let one = open(&service, "alice").await;
    let body = is_refused(begin(&service, "bob").await, 503, "limits.max_sessions", 1).await;
    assert_eq!(body["error"]["data"]["scope"], "backend", "{body}");
    let elsewhere = async |name| Client::open_with(&service, name, "bob-key", json!({})).await;
    assert_eq!(elsewhere("b").await.text("counter", json!({})).await, "1");
    assert_eq!(elsewhere("c").await.text("counter", json!({})).await, "1");
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let ask = crate::common::Ask::mcp("/mcp/c", initialize).header("authorization", "Bearer alice-key");
    is_refused(ask.send(&service.main).await, 503, "limits.max_connections", 1).await;
    one.delete().await;
    assert_eq!(open(&service, "bob").await.text("counter", json!({})).await, "1", "there is room again");
}
