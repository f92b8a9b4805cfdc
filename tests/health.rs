//! What probes, scrapers and dashboards see.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::collections::BTreeSet;

use common::{Ask, Client, Service, backend, eventually, kill_9};
use serde_json::{Value, json};

/// Whoever watches the service by `/health` would be told nothing, or something else than promised.
#[tokio::test]
async fn health_names_every_server_and_how_it_is() {
    let config = [backend("runs", &[], ""), backend("unused", &[], "")].concat();
    let service = Service::start(&config).await;
    let _client = Client::open(&service, "runs").await;
    let reply = service.get("/health").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let health = reply.json().await;
    assert_eq!(health["status"], "healthy", "{health}");
    assert!(health["specVersion"].is_string() && health["gatewayVersion"].is_string(), "{health}");
    assert_eq!(health["servers"]["runs"]["status"], "running", "{health}");
    assert!(health["servers"]["runs"]["uptime"].is_u64(), "{health}");
    assert_eq!(health["servers"]["unused"], json!({ "status": "stopped", "uptime": 0 }));
}

/// An orchestrator would restart, or take out of service, a gateway because one server of many is broken.
#[tokio::test]
async fn a_broken_backend_is_seen_in_health_and_never_unreadies_the_service() {
    let settings = "pool.max_error_count = 0\n";
    let config = [backend("dies", &["--die-after-handshake"], settings), backend("lives", &[], "")].concat();
    let service = Service::start(&config).await;
    let _dead = Client::open(&service, "dies").await;
    let lives = Client::open(&service, "lives").await;
    let health = eventually("it is stopped", async || {
        let health = service.get("/health").await.json().await;
        (health["servers"]["dies"]["status"] == "error").then_some(health)
    });
    let health = health.await;
    assert_eq!(health["status"], "unhealthy", "{health}");
    assert_eq!(health["servers"]["lives"]["status"], "running");
    for probe in ["/livez", "/readyz"] {
        assert_eq!(service.get(probe).await.status, 200, "{probe}");
    }
    assert_eq!(lives.text("counter", json!({})).await, "1");
}

/// A probe that asks by the address of a pod, or with HEAD, would take the service for dead.
#[tokio::test]
async fn probes_are_answered_whatever_address_they_ask_by() {
    let service = Service::start(&backend("a", &[], "")).await;
    for probe in ["/livez", "/readyz"] {
        for method in ["GET", "HEAD"] {
            let ask = Ask::new(method, probe).header("host", "10.1.2.3:8080");
            assert_eq!(ask.send(&service.main).await.status, 200, "{method} {probe}");
        }
        let reply = Ask::new("POST", probe).send(&service.main).await;
        assert_eq!((reply.status, reply.header("allow").is_some()), (405, true), "{probe}");
    }
    assert_eq!(Ask::new("GET", "/livez").send(&service.admin).await.status, 200);
}

/// Prometheus would refuse the page, or dashboards show nothing until something has gone wrong.
#[tokio::test]
async fn metrics_are_there_from_zero_under_the_promised_names() {
    let service = Service::start(&backend("a", &[], "")).await;
    let reply = Ask::new("GET", "/metrics").send(&service.admin).await;
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = reply.text().await;
    for series in [
        r#"mcpvisor_connections{backend="a",phase="ready"} 0"#,
        r#"mcpvisor_launches_total{backend="a",result="ok"} 0"#,
        r#"mcpvisor_restarts_total{backend="a",reason="signal"} 0"#,
        r#"mcpvisor_restarts_total{backend="a",reason="exit"} 0"#,
        r#"mcpvisor_max_error_stops_total{backend="a"} 0"#,
        r#"mcpvisor_errors_limit{backend="a"} 10"#,
        r#"mcpvisor_sessions{backend="a"} 0"#,
    ] {
        assert!(page.lines().any(|line| line == series), "{series} is missing in:\n{page}");
    }
    for line in page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let typed = [Some(name), family].into_iter().flatten();
        let typed = typed.map(|name| format!("# TYPE {name} ")).any(|text| page.contains(&text));
        assert!(typed, "no type of {name}");
    }
}

/// The numbers would not tell what happened.
#[tokio::test]
async fn metrics_and_api_count_what_was_done() {
    let service = Service::start(&backend("a", &["--crash-tool"], "")).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let stream = one.stream().await;
    assert_eq!(service.metric(r#"mcpvisor_connections{backend="a",phase="ready"}"#).await, 2.0);
    assert_eq!(service.metric(r#"mcpvisor_launches_total{backend="a",result="ok"}"#).await, 2.0);
    assert_eq!(service.metric(r#"mcpvisor_sessions{backend="a"}"#).await, 2.0);
    let (_, ()) = tokio::join!(one.call("sleep", json!({ "ms": 1000 })), async {
        service.in_flight(1).await;
    });
    drop(stream);
    other.call("crash", json!({})).await;
    other.text("counter", json!({})).await;
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="exit"}"#).await, 1.0);
    assert_eq!(service.metric(r#"mcpvisor_faults_total{backend="a",reason="exit"}"#).await, 1.0);
    assert_eq!(service.metric(r#"mcpvisor_launches_total{backend="a",result="ok"}"#).await, 3.0);
    let page = service.metrics().await;
    let errors = page.lines().find(|line| {
        line.starts_with("mcpvisor_request_errors_total") && line.contains(r#"kind="backend_lost""#)
    });
    assert!(errors.is_some_and(|line| line.ends_with(" 1")), "{errors:?}");

    let shown = service.connections().await;
    let of = |count: u64| shown.iter().find(|one| one["restarts"] == count).unwrap();
    assert_eq!((&of(0)["request_count"], &of(0)["error_count"]), (&json!(1), &json!(0)), "{shown:?}");
    assert_eq!((&of(1)["request_count"], &of(1)["total_errors"]), (&json!(2), &json!(1)), "{shown:?}");
    assert!(of(1)["last_error"].as_str().is_some_and(|text| text.contains("exit code 1")), "{shown:?}");
    assert!(of(0)["rss"].as_u64().is_some_and(|bytes| bytes > 100_000), "{shown:?}");
    assert_eq!(of(0)["state"], "active");

    one.delete().await;
    other.delete().await;
    let gone = async || service.connections().await.is_empty().then_some(());
    eventually("the connections are gone", gone).await;
    assert_eq!(service.metric(r#"mcpvisor_sessions{backend="a"}"#).await, 0.0);
    assert_eq!(service.metric(r#"mcpvisor_connections{backend="a",phase="ready"}"#).await, 0.0);
}

/// A scraper would drown: every session, request or client made a series of its own.
#[tokio::test]
async fn there_are_as_many_series_after_fifty_sessions_as_after_five() {
    let service = Service::start(&backend("a", &[], "")).await;
    use_sessions(&service, 5).await;
    let few = series(&service.metrics().await);
    use_sessions(&service, 45).await;
    let many = series(&service.metrics().await);
    let new: Vec<_> = many.difference(&few).collect();
    assert!(new.is_empty(), "{new:#?}");
    assert!(many.len() < 150 + 42 * 20 + 100, "{} series", many.len());
}

/// What a client sends must not end up in a label.
#[tokio::test]
async fn labels_come_from_known_sets() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    client.request("x-made-up/method", json!({ "uri": "secret://made-up" })).await;
    client.call("made_up_tool", json!({})).await;
    service.get("/made/up/path").await;
    Ask::mcp("/mcp/made-up-backend", "{}").send(&service.main).await;
    Ask::new("MADEUP", "/mcp/a").send(&service.main).await;
    let page = service.metrics().await;
    for made_up in ["made-up", "made_up", "made/up", "MADEUP", client.session.as_str()] {
        assert!(!page.contains(made_up), "{made_up} is in the metrics");
    }
}

async fn use_sessions(service: &Service, count: usize) {
    for number in 0..count {
        let client = Client::open(service, "a").await;
        client.request("tools/list", json!({})).await;
        client.call("echo", json!({ "message": number })).await;
        client.call("fail", json!({})).await;
        client.call("refuse", json!({})).await;
        drop(client.stream().await);
        client.request("made/up", json!({})).await;
        let pid = client.pid().await;
        let (answer, ()) = tokio::join!(client.call("sleep", json!({ "ms": 60_000 })), async {
            service.in_flight(1).await;
            kill_9(pid);
        });
        assert!(answer["error"].is_object(), "{answer}");
        assert_eq!(client.text("counter", json!({})).await, "1");
        assert_eq!(client.delete().await, 204);
        assert_eq!(client.post(&client.message("ping", Value::Null)).await.status, 404);
    }
}

fn series(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}
