//! How much memory servers may take.

use serde_json::json;

use super::{begin, config, is_refused, open};
use crate::common::{Service, eventually, reason};

/// Sessions would be let in until the machine kills something.
#[tokio::test]
async fn idle_servers_go_first_and_then_new_ones_are_refused() {
    let service = Service::start(&config("[limits]\nmax_memory = \"1MiB\"\n")).await;
    let one = open(&service, "alice").await;
    let seen = async || {
        let memory = service.metric(r#"mcpvisor_backend_memory_bytes{backend="a"}"#).await;
        (memory > f64::from(1 << 20)).then_some(())
    };
    eventually("its memory has been looked at", seen).await;
    let busy = async {
        service.in_flight(1).await;
        let body = is_refused(begin(&service, "bob").await, 503, "limits.max_memory", 1 << 20).await;
        assert_eq!(reason(&body), "memory", "{body}");
    };
    tokio::join!(one.text("sleep", json!({ "ms": 2000 })), busy);
    assert_eq!(one.text("counter", json!({})).await, "1", "it was not touched");
    let evictions = async || service.metric(r#"mcpvisor_idle_evictions_total{backend="a"}"#).await;
    assert_eq!(evictions().await, 0.0);
    eventually("the idle one goes", async || (begin(&service, "bob").await.status == 200).then_some(()))
        .await;
    eventually("it is gone", async || (evictions().await == 1.0).then_some(())).await;
    assert_eq!(service.connections().await.len(), 1);
}
