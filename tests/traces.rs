//! Traces over OTLP: what a request went through, seen by a collector.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "traces/collector.rs"]
mod collector;
#[path = "common/all.rs"]
mod common;
#[allow(dead_code, reason = "no test uses all of it")]
#[path = "modern/client.rs"]
mod modern;

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use collector::Collector;
use common::{Ask, Client, Service, backend, eventually, kill_9, reason, text_of};
use modern::Modern;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
/// Batches leave as soon as they can.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "50");

async fn traced(collector: &Collector, config: &str) -> Service {
    started(&collector.url, config, &[SOON]).await
}

async fn started(endpoint: &str, config: &str, environment: &[(&str, &str)]) -> Service {
    let setting = format!("telemetry.otlp_endpoint={endpoint}");
    Service::start_with(TempDir::new().unwrap(), config, &[&setting], environment).await
}

fn parent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

fn call(tool: &str, arguments: Value, meta: Value) -> Value {
    json!({ "name": tool, "arguments": arguments, "_meta": meta })
}

/// An operator would see a request end at the gateway, and not what the server did with it.
#[tokio::test]
async fn a_request_is_a_child_of_its_clients_span_and_the_parent_of_its_servers() {
    let collector = Collector::start().await;
    let service = traced(&collector, &backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let meta = json!({ "traceparent": parent(), "tracestate": "vendor=1", "x": 1.5 });
    let answer = client.request("tools/call", call("meta", json!({}), meta)).await;
    let seen: Value = serde_json::from_str(&text_of(&answer)).unwrap();
    let (server, backend) = collector.pair("tools/call meta").await;
    assert_eq!((&*server.trace, &*server.parent, server.failed), (TRACE, SPAN, false));
    assert_eq!((&backend.trace, &backend.parent), (&server.trace, &server.id));
    let expected =
        json!({ "traceparent": format!("00-{TRACE}-{}-01", backend.id), "tracestate": "vendor=1", "x": 1.5 });
    assert_eq!(seen, expected, "the server can go on with the trace");
    for (key, value) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "meta"),
        ("mcp.protocol.version", "2025-11-25"),
        ("mcpvisor.backend", "a"),
        ("network.transport", "tcp"),
    ] {
        assert_eq!(server.attribute(key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(backend.attribute("network.transport").as_deref(), Some("pipe"));
    assert_eq!(collector.paths()[0], "/v1/traces");
    assert_eq!(collector.resource("service.name").as_deref(), Some("mcpvisor"));
}

/// The same for clients of the era without sessions, at a backend of either.
#[tokio::test]
async fn clients_without_sessions_are_traced_too_and_a_header_is_as_good_as_the_message() {
    let collector = Collector::start().await;
    let demo =
        format!("[backends.d]\ncommand = {:?}\nargs = [\"demo-server\"]\n", env!("CARGO_BIN_EXE_mcpvisor"));
    let service = traced(&collector, &(backend("a", &[], "") + &demo)).await;
    let client = Modern::new(&service, "a").with_meta("traceparent", json!(parent()));
    let seen: Value = serde_json::from_str(&client.text("meta", json!({})).await).unwrap();
    let (server, backend) = collector.pair("tools/call meta").await;
    assert_eq!((&*server.trace, &*server.parent), (TRACE, SPAN));
    assert_eq!(seen["traceparent"], format!("00-{TRACE}-{}-01", backend.id));
    let parent = parent();
    let client = Modern::new(&service, "d").saying("traceparent", &parent);
    client.text("echo", json!({ "message": "x" })).await;
    let (server, backend) = collector.pair("tools/call echo").await;
    assert_eq!((&*server.trace, &*server.parent), (TRACE, SPAN));
    assert_eq!((&backend.trace, &backend.parent), (&server.trace, &server.id));
    assert_eq!(server.attribute("mcp.protocol.version").as_deref(), Some("2026-07-28"));
}

/// A trace would end at the gateway where the server is reached over HTTP.
#[tokio::test]
async fn a_server_over_http_is_told_of_the_trace_by_clients_of_either_era() {
    let upstream = Service::start(&backend("a", &[], "")).await;
    let collector = Collector::start().await;
    let config = format!("[backends.u]\nurl = \"http://{}/mcp/a\"\n", upstream.main);
    let service = traced(&collector, &config).await;
    let client = Client::open(&service, "u").await;
    let meta = json!({ "traceparent": parent() });
    let answer = client.request("tools/call", call("meta", json!({}), meta)).await;
    let legacy: Value = serde_json::from_str(&text_of(&answer)).unwrap();
    let modern = Modern::new(&service, "u").with_meta("traceparent", json!(parent()));
    let modern: Value = serde_json::from_str(&modern.text("meta", json!({})).await).unwrap();
    let spans = collector.named("tools/call meta", 4).await;
    for seen in [legacy, modern] {
        let named = |span: &&collector::Seen| seen["traceparent"] == format!("00-{TRACE}-{}-01", span.id);
        let told = spans.iter().find(named).unwrap_or_else(|| panic!("{seen}: {spans:?}"));
        assert_eq!(told.kind, SpanKind::Client);
        assert_eq!(told.attribute("network.transport").as_deref(), Some("tcp"));
        let above = spans.iter().find(|span| span.id == told.parent).unwrap();
        assert_eq!((above.kind, &*above.parent), (SpanKind::Server, SPAN));
    }
}

/// What users say to their tools would lie in a database of everybody who watches the service.
#[tokio::test]
async fn nothing_that_users_or_servers_say_is_in_a_trace() {
    let collector = Collector::start().await;
    let service = traced(&collector, &backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    client.text("echo", json!({ "message": "canary-argument" })).await;
    client.call("fail", json!({ "text": "canary-failure" })).await;
    client.call("refuse", json!({ "code": -32050, "text": "canary-error" })).await;
    client.request("resources/read", json!({ "uri": "canary://resource" })).await;
    let strange = format!("no\nsuch\u{7}tool{}", "x".repeat(500));
    client.call(&strange, json!({ "a": "canary" })).await;
    collector.named("resources/read", 2).await;
    let cut = eventually("the call of a tool that is none", async || {
        collector.spans().into_iter().find(|span| span.name.starts_with("tools/call no"))
    })
    .await;
    assert!(cut.name.chars().count() <= 140 && !cut.name.contains(char::is_control), "{:?}", cut.name);
    let bytes = collector.bytes();
    for secret in ["canary", &client.session] {
        assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none(), "{secret}");
    }
    let (failed, _) = collector.pair("tools/call fail").await;
    assert_eq!((failed.failed, failed.attribute("error.type").as_deref()), (true, Some("tool_error")));
    assert!(cut.failed && cut.attribute("rpc.response.status_code").as_deref() == Some("-32602"), "{cut:?}");
}

/// An operator would not see that a slow request has waited for a process, nor which restart cost it.
#[tokio::test]
async fn a_launch_and_a_restart_are_traces_of_their_own_that_name_what_waits_for_them() {
    let collector = Collector::start().await;
    let service = traced(&collector, &backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let opened = collector.named("initialize", 1).await.remove(0);
    let launched = collector.named("launch a", 1).await.remove(0);
    assert_eq!((launched.kind, launched.failed), (SpanKind::Internal, false));
    assert_ne!(launched.trace, opened.trace);
    assert_eq!(launched.links, std::slice::from_ref(&opened.id));
    let pid = client.pid().await;
    let sleeping = async { client.call("sleep", json!({ "ms": 60_000 })).await };
    let killing = async {
        service.in_flight(1).await;
        kill_9(pid);
    };
    let (lost, ()) = tokio::join!(sleeping, killing);
    assert_eq!(reason(&lost), "signal", "{lost}");
    let (span, _) = collector.pair("tools/call sleep").await;
    assert_eq!(span.attribute("error.type").as_deref(), Some("backend_lost"));
    assert_eq!(span.attribute("mcpvisor.reason").as_deref(), Some("signal"));
    let restart = collector.named("restart a", 1).await.remove(0);
    assert_eq!(restart.attribute("mcpvisor.reason").as_deref(), Some("signal"));
    assert_eq!(restart.attribute("mcpvisor.session"), launched.attribute("mcpvisor.session"));
}

/// Every request would be traced where a client has said that it does not want that.
#[tokio::test]
async fn a_trace_that_is_not_sampled_is_passed_on_and_not_sent() {
    let collector = Collector::start().await;
    let service = traced(&collector, &backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let meta = json!({ "traceparent": format!("00-{TRACE}-{SPAN}-00") });
    let answer = client.request("tools/call", call("meta", json!({}), meta)).await;
    let seen: Value = serde_json::from_str(&text_of(&answer)).unwrap();
    let passed = seen["traceparent"].as_str().unwrap();
    assert!(passed.starts_with(&format!("00-{TRACE}-")) && passed.ends_with("-00"), "{passed}");
    client.text("echo", json!({})).await;
    collector.pair("tools/call echo").await;
    assert!(collector.spans().iter().all(|span| span.name != "tools/call meta"));
}

/// The collector would be a part that can bring the service down, or fill its log.
#[tokio::test]
async fn a_collector_that_is_not_there_or_refuses_costs_one_warning() {
    let refusing = Collector::answering(503).await;
    let nowhere = "http://127.0.0.1:1/".to_owned();
    for endpoint in [nowhere, refusing.url.clone()] {
        let mut service = started(&endpoint, &backend("a", &[], ""), &[SOON]).await;
        let client = Client::open(&service, "a").await;
        eventually("it is said", async || service.log().contains("traces.unsent").then_some(())).await;
        for _ in 0..20 {
            client.text("echo", json!({ "message": "x" })).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        service.signal(Signal::TERM);
        assert!(service.ended().await.success(), "{endpoint}");
        let log = service.log();
        assert_eq!(log.matches("traces.unsent").count(), 1, "{log}");
        assert!(!log.contains("BatchSpanProcessor"), "{log}");
    }
    assert!(refusing.batches() > 1, "it was tried again");
}

/// The last minutes before an end are the ones that somebody will look for.
#[tokio::test]
async fn what_is_left_is_sent_when_the_service_ends() {
    let collector = Collector::start().await;
    let late = ("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20abc");
    let service = started(&collector.url, &backend("a", &[], ""), &[late, headers]).await;
    let client = Client::open(&service, "a").await;
    client.text("echo", json!({})).await;
    assert_eq!(collector.batches(), 0);
    let mut service = service;
    service.signal(Signal::TERM);
    assert!(service.ended().await.success());
    collector.pair("tools/call echo").await;
    assert_eq!(collector.header("authorization").as_deref(), Some("Basic abc"));
}

/// Where nobody wants traces, messages would not pass as they came.
#[tokio::test]
async fn without_an_endpoint_nothing_is_added() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    let message = client.message("tools/call", call("meta", json!({}), json!({ "traceparent": parent() })));
    let reply = client.ask(message.to_string()).header("traceparent", &parent().replace("01", "00"));
    let seen = text_of(&reply.send(&service.main).await.json().await);
    assert_eq!(serde_json::from_str::<Value>(&seen).unwrap(), json!({ "traceparent": parent() }));
    let bare = Ask::mcp("/mcp/a", client.message("tools/call", json!({ "name": "meta" })).to_string());
    let bare = client.credentials(bare).header("traceparent", &parent()).send(&service.main).await;
    assert_eq!(text_of(&bare.json().await), "null");
}
