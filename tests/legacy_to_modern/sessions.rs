//! How a session begins.

use serde_json::{Value, json};

use crate::common::{Client, Conforming, Service, all, code, conforming};

/// A client of yesterday could not use a server of today, however it was configured.
#[tokio::test]
async fn a_session_begins_with_a_server_that_has_none() {
    let upstream = Conforming::start("127.0.0.1:0", "modern");
    for protocol in ["auto", "modern"] {
        let settings = format!("protocol = {protocol:?}");
        let config = conforming("p", "modern", &settings) + &upstream.backend(&settings);
        let service = Service::start(&config).await;
        for name in ["p", "u"] {
            let initialize = Client::initialize("2025-06-18", json!({}));
            let reply =
                crate::common::Ask::mcp(&format!("/mcp/{name}"), initialize.to_string()).send(&service.main);
            let reply = reply.await;
            assert!(reply.header("mcp-session-id").is_some());
            let result = reply.json().await["result"].clone();
            assert_eq!(result["protocolVersion"], "2025-06-18", "{protocol} {name}: {result}");
            assert!(result["serverInfo"]["name"].is_string() && result["capabilities"]["tools"].is_object());
            for of_the_other_era in ["resultType", "supportedVersions", "ttlMs", "_meta"] {
                assert!(result.get(of_the_other_era).is_none(), "{result}");
            }
            let client = Client::open(&service, name).await;
            let tools = client.request("tools/list", json!({})).await["result"].clone();
            assert!(tools["tools"].as_array().unwrap().len() > 10);
            assert!(tools.get("resultType").is_none() && tools.get("ttlMs").is_none(), "{tools}");
            let text = client.text("test_simple_text", json!({})).await;
            assert_eq!(text, "This is a simple text response for testing.");
            assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
            assert_eq!(client.delete().await, 204);
        }
        for connection in service.connections().await {
            assert_eq!(connection["error_count"], 0, "{connection}");
            assert_eq!(connection["restarts"], 0, "{connection}");
        }
        let probes = service.log().matches("backend.probed").count();
        assert_eq!(probes, if protocol == "auto" { 2 } else { 0 }, "one for each backend");
    }
}

/// Each of many clients that come at once would cost a probe, or be refused.
#[tokio::test]
async fn clients_that_come_together_wait_for_one_question() {
    let service = Service::start(&conforming("p", "modern", "")).await;
    let clients = (0..5).map(|_| Client::open(&service, "p"));
    for client in all(clients).await {
        assert_eq!(client.call("test_simple_text", json!({})).await["result"]["isError"], json!(false));
    }
    assert_eq!(service.log().matches("backend.probed").count(), 1);
}

/// A server that refuses a client for a reason of its own would be asked what it speaks by every one of them, and its words
/// would be lost.
#[tokio::test]
async fn a_refusal_of_a_server_of_the_era_is_told_as_it_was() {
    let config = crate::common::backend("a", &["--init-error"], "");
    let service = Service::start(&config).await;
    for _ in 0..2 {
        let Err((status, answer)) = Client::try_open(&service, "a").await else { panic!("it refuses") };
        assert_eq!(status, 200);
        assert!(code(&answer) != 0 && answer["error"]["data"]["reason"] == Value::Null, "{answer}");
    }
    assert_eq!(service.log().matches("backend.probed").count(), 1);
}

/// What is kept in reserve for a modern backend would be of no use to most clients.
#[tokio::test]
async fn a_process_in_reserve_serves_clients_of_either_era() {
    let service = Service::start(&conforming("p", "modern", "protocol = \"modern\"\nwarm = 1")).await;
    crate::common::eventually("one is in reserve", async || {
        (service.metric(r#"mcpvisor_spares{backend="p",state="warm"}"#).await >= 1.0).then_some(())
    })
    .await;
    let client = Client::open(&service, "p").await;
    client.text("test_simple_text", json!({})).await;
    assert!(service.log().contains("start=\"spare\""), "{}", service.log());
}
