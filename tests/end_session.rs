//! `on_restart = "end_session"`: a session never outlives the memory of its server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::Duration;

use common::{Ask, Client, Service, backend, code, eventually, kill_9, reason, text_of};
use serde_json::json;

const END: &str = "on_restart = \"end_session\"\n";
const EVICTION: &str = "pool.idle_timeout = \"1s\"\npool.cleanup_interval = \"100ms\"\n";

/// A client would go on with a server that has forgotten what they did, or wait for one that never comes.
#[tokio::test]
async fn a_crash_ends_the_session_and_all_that_waits_in_it() {
    // Slow enough for a read to be in flight, which would be sent once more otherwise.
    let flags = ["--slow", "500", "--ignore-term"];
    // A budget that is spent at once changes nothing: there is no restart to be refused.
    let settings = format!("{END}limits.max_in_flight = 2\npool.max_error_count = 0\n");
    let service = Service::start(&backend("a", &flags, &settings)).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    let pid = client.pid().await;
    let (sleeping, reading, waiting, ()) = tokio::join!(
        client.call("sleep", json!({ "ms": 60_000 })),
        client.request("resources/read", json!({ "uri": "fixture://one" })),
        async {
            service.in_flight(2).await;
            client.call("counter", json!({})).await
        },
        async {
            let full = async || (service.connections().await[0]["queued"] == 1).then_some(());
            eventually("one waits", full).await;
            kill_9(pid);
        }
    );
    for answer in [sleeping, reading, waiting] {
        assert_eq!((code(&answer), reason(&answer)), (-31007, "end_session"), "{answer}");
    }
    is_over(&service, &client).await;
    assert_eq!(stream.message().await, None, "its stream ends, and says nothing of a restart");
    ended_without_a_launch(&service, 1.0).await;
    assert_eq!(service.metric(r#"mcpvisor_faults_total{backend="a",reason="signal"}"#).await, 1.0);
    assert_eq!(service.metric(r#"mcpvisor_max_error_stops_total{backend="a"}"#).await, 0.0);
    let abandoned = r#"mcpvisor_restarts_abandoned_total{backend="a",reason="delete"}"#;
    assert_eq!(service.metric(abandoned).await, 1.0, "the fault is accounted for");
    // Whoever begins anew is served as ever.
    let next = Client::open(&service, "a").await;
    assert_eq!(next.text("counter", json!({})).await, "1");
}

/// What nobody used for a while would come back empty, without a word.
#[tokio::test]
async fn an_eviction_ends_the_session() {
    let service = Service::start(&backend("a", &[], &format!("{END}{EVICTION}"))).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    assert_eq!(stream.message().await, None, "its stream ends");
    is_over(&service, &client).await;
    ended_without_a_launch(&service, 1.0).await;
    assert_eq!(service.metric(r#"mcpvisor_idle_evictions_total{backend="a"}"#).await, 1.0);
}

/// An operator who restarts a server, or stops and starts it, would hand its client an empty one.
#[tokio::test]
async fn an_operators_restart_ends_the_session_too() {
    for orders in [&["restart"][..], &["stop", "start"]] {
        let service = Service::start(&backend("a", &[], END)).await;
        let client = Client::open(&service, "a").await;
        assert_eq!(client.text("counter", json!({})).await, "1");
        for order in orders {
            let path = format!("/api/v1/backends/a/{order}");
            assert_eq!(Ask::new("POST", &path).send(&service.admin).await.status, 200);
            let settled = async || {
                let shown = service.connections().await;
                shown.iter().all(|one| one["phase"] != "draining").then_some(())
            };
            eventually("the order is carried out", settled).await;
        }
        // The first to ask after a stop learns it; a restart has told already.
        let message = client.message("tools/call", json!({ "name": "counter", "arguments": {} }));
        let reply = client.post(&message).await;
        if reply.status != 404 {
            let answer = reply.json().await;
            assert_eq!((code(&answer), reason(&answer)), (-31007, "end_session"), "{answer}");
        }
        is_over(&service, &client).await;
        ended_without_a_launch(&service, 1.0).await;
    }
}

/// Some of those who share a server would go on with an empty one, or a newcomer be refused for the end of the others.
#[tokio::test]
async fn all_who_share_a_server_end_with_it_and_a_newcomer_gets_another() {
    // Its end takes as long as the ladder does.
    let stubborn = ["--ignore-eof", "--ignore-term"];
    let settings = format!("{END}isolation = \"shared\"\ntimeouts.term_grace = \"500ms\"\n");
    let service = Service::start(&backend("a", &stubborn, &(settings + EVICTION))).await;
    for how in ["crash", "eviction"] {
        let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
        let mut streams = [one.stream().await, other.stream().await];
        assert_eq!(one.text("counter", json!({})).await, "1", "{how}");
        assert_eq!(other.text("counter", json!({})).await, "2", "{how}");
        if how == "crash" {
            kill_9(one.pid().await);
        }
        for stream in &mut streams {
            assert_eq!(stream.message().await, None, "{how}: its stream ends");
        }
        let next = Client::open(&service, "a").await;
        assert_eq!(next.text("counter", json!({})).await, "1", "{how}");
        is_over(&service, &one).await;
        is_over(&service, &other).await;
        assert_eq!(next.delete().await, 204, "{how}: it is its own");
        let forgotten = async || service.connections().await.is_empty().then_some(());
        eventually("nobody is left, and nothing", forgotten).await;
    }
    service.nothing_is_left().await;
}

/// A request that meets the eviction would start a new server: the one thing that must not happen.
#[tokio::test]
async fn a_request_that_meets_the_eviction_never_finds_an_empty_memory() {
    let settings = format!("{END}pool.idle_timeout = \"500ms\"\npool.cleanup_interval = \"25ms\"\n");
    let service = Service::start(&backend("a", &[], &settings)).await;
    let live = async |number: u64| {
        let client = Client::open(&service, "a").await;
        for count in 1..=6 {
            // Around the time in which the janitor looks, which is what is tried out here.
            tokio::time::sleep(Duration::from_millis(480 + (number * 7 + count * 3) % 50)).await;
            let message = client.message("tools/call", json!({ "name": "counter", "arguments": {} }));
            let reply = client.post(&message).await;
            if reply.status == 404 {
                return;
            }
            let answer = reply.json().await;
            if code(&answer) == -31007 {
                return is_over(&service, &client).await;
            }
            assert_eq!(text_of(&answer), count.to_string(), "the memory was lost in silence");
        }
        client.delete().await;
    };
    common::all((0..12).map(live)).await;
    ended_without_a_launch(&service, 12.0).await;
}

/// A session that died while it was being made would be there for ever, with every request refused.
#[tokio::test]
async fn a_server_that_dies_as_soon_as_it_has_answered_leaves_no_session() {
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"sh","version":"1"}}}"#;
    let script = format!("read -r line; echo '{answer}'");
    let config = format!("[backends.a]\ncommand = \"sh\"\nargs = [\"-c\", '''{script}''']\n{END}");
    let service = Service::start(&config).await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let mut opened = 0;
    for _ in 0..30 {
        let reply = Ask::mcp("/mcp/a", initialize.clone()).send(&service.main).await;
        // It may also have died before anybody had read its answer.
        assert_eq!(reply.status, 200);
        opened += usize::from(reply.header("mcp-session-id").is_some());
    }
    assert!(opened > 0);
    let none = async || (service.metric(r#"mcpvisor_sessions{backend="a"}"#).await == 0.0).then_some(());
    eventually("no session is left", none).await;
    assert_eq!(service.metric(r#"mcpvisor_replays_total{backend="a",result="ok"}"#).await, 0.0);
}

/// Many at once, each in its own moment: whatever is in flight is answered, and nobody is served by a second server.
#[tokio::test]
async fn whenever_a_server_dies_its_session_is_over_for_everybody() {
    let service = Service::start(&backend("a", &[], END)).await;
    let live = async |number: u64| {
        let client = Client::open(&service, "a").await;
        let pid = client.pid().await;
        let ask = async |worker: u64| {
            for count in 0.. {
                let message = client.message("tools/call", json!({ "name": "counter", "arguments": {} }));
                let reply = client.post(&message).await;
                if reply.status == 404 {
                    return;
                }
                let answer = reply.json().await;
                if code(&answer) == -31007 {
                    return assert_eq!(client.post(&message).await.status, 404, "as soon as that is known");
                }
                assert_eq!(code(&answer), 0, "{answer}");
                if worker == 0 && count == number * 3 {
                    kill_9(pid);
                }
            }
        };
        common::all((0..4).map(ask)).await;
    };
    common::all((0..8).map(live)).await;
    ended_without_a_launch(&service, 8.0).await;
}

/// Every way to use the session is answered with 404.
async fn is_over(service: &Service, client: &Client) {
    let ping = client.message("ping", json!({}));
    let said = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    for message in [&ping, &said] {
        assert_eq!(client.post(message).await.status, 404);
    }
    let listen = client.credentials(Ask::new("GET", &client.path)).header("accept", "text/event-stream");
    assert_eq!(listen.send(&service.main).await.status, 404);
    assert_eq!(client.delete().await, 404);
}

/// Nothing of the sessions is left, and there were no more servers than sessions.
async fn ended_without_a_launch(service: &Service, sessions: f64) {
    let gone = async || service.connections().await.is_empty().then_some(());
    eventually("no connection is left", gone).await;
    service.nothing_is_left().await;
    assert_eq!(service.metric(r#"mcpvisor_sessions{backend="a"}"#).await, 0.0);
    assert_eq!(service.metric(r#"mcpvisor_launches_total{backend="a",result="ok"}"#).await, sessions);
    for series in
        ["restarts_total{backend=\"a\",reason=\"signal\"}", "replays_total{backend=\"a\",result=\"ok\"}"]
    {
        assert_eq!(service.metric(&format!("mcpvisor_{series}")).await, 0.0, "{series}");
    }
}
