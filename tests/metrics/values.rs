//! Values: what was done, and what went wrong, is what is shown.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::common::{Ask, Client, Page, Service, backend, code, eventually};

const A: (&str, &str) = ("backend", "a");

async fn shown(service: &Service, what: &str, check: impl Fn(&Page) -> bool) -> Page {
    eventually(what, async || Some(service.page().await).filter(&check)).await
}

fn now() -> f64 {
    #[expect(clippy::disallowed_methods, reason = "compared with what is shown to people")]
    let now = SystemTime::now();
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// An operator would not see how near a backend is to being stopped, nor when it will be tried again.
#[tokio::test]
async fn faults_show_in_the_count_of_errors_and_in_the_wait_before_the_restart() {
    let settings =
        "pool.max_error_count = 2\nbackoff.min = \"1m\"\nbackoff.max = \"1m\"\nbackoff.jitter = 0.0";
    let service = Service::start(&backend("a", &["--fault-tools"], settings)).await;
    let client = Client::open(&service, "a").await;
    let started = now();
    client.call("crash", json!({})).await;
    let page = shown(&service, "it recovers", |page| {
        page.value("mcpvisor_recovery_duration_seconds_count", &[A]) == 1.0
    });
    let page = page.await;
    assert_eq!(page.value("mcpvisor_errors_current", &[A]), 1.0);
    assert_eq!(page.value("mcpvisor_connections_near_errors_limit", &[A]), 0.0, "one of two is no 0.8");
    assert_eq!(page.value("mcpvisor_backoff_seconds", &[A]), 0.0);
    assert_eq!(page.value("mcpvisor_next_launch_timestamp_seconds", &[A]), 0.0);
    let restarted = page.value("mcpvisor_last_restart_timestamp_seconds", &[A]);
    assert!((started..=now()).contains(&restarted), "{restarted}");

    client.call("crash", json!({ "signal": 9 })).await;
    let page = shown(&service, "it backs off", |page| {
        page.value("mcpvisor_connections", &[A, ("phase", "backing_off")]) == 1.0
    });
    let page = page.await;
    assert_eq!(page.value("mcpvisor_errors_current", &[A]), 2.0);
    assert_eq!(page.value("mcpvisor_errors_limit", &[A]), 2.0);
    assert_eq!(page.value("mcpvisor_connections_near_errors_limit", &[A]), 1.0);
    let backoff = page.value("mcpvisor_backoff_seconds", &[A]);
    assert!((59.0..=60.0).contains(&backoff), "{backoff}");
    let next = page.value("mcpvisor_next_launch_timestamp_seconds", &[A]) - now();
    assert!((1.0..=60.0).contains(&next), "in {next} s");
    let unexpected = ("kind", "unexpected");
    assert_eq!(page.value("mcpvisor_exits_total", &[A, unexpected, ("reason", "exit")]), 1.0);
    assert_eq!(page.value("mcpvisor_exits_total", &[A, unexpected, ("reason", "signal")]), 1.0);
    assert_eq!(page.value("mcpvisor_faults_total", &[A, ("reason", "signal")]), 1.0);
    assert_eq!(page.value("mcpvisor_restarts_total", &[A, ("reason", "exit")]), 1.0);
    assert_eq!(page.value("mcp_client_session_duration_seconds_count", &[A]), 2.0);

    client.delete().await;
    let page = shown(&service, "all of it is over", |page| {
        page.value("mcpvisor_connections", &[A, ("phase", "backing_off")]) == 0.0
            && page.value("mcpvisor_connection_lifetime_seconds_count", &[A]) == 2.0
    });
    let page = page.await;
    for name in ["errors_current", "connections_near_errors_limit", "backoff_seconds"] {
        assert_eq!(page.value(&format!("mcpvisor_{name}"), &[A]), 0.0, "{name}");
    }
    assert_eq!(page.value("mcpvisor_next_launch_timestamp_seconds", &[A]), 0.0);
    assert_eq!(page.value("mcpvisor_last_restart_timestamp_seconds", &[A]), restarted, "there was one");
}

/// A process that is ended for what it said would look as one that was told to go.
#[tokio::test]
async fn a_process_that_is_killed_for_a_fault_did_not_end_as_ordered() {
    let service = Service::start(&backend("a", &["--fault-tools"], "")).await;
    let client = Client::open(&service, "a").await;
    let exits = |page: &Page, kind| page.sum("mcpvisor_exits_total", &[A, ("kind", kind)]);
    client.call("bad_frame", json!({})).await;
    // By the signal, unless it was faster: its pipes close at the same time.
    let page = shown(&service, "it is killed", |page| exits(page, "unexpected") == 1.0).await;
    assert_eq!(exits(&page, "expected"), 0.0);
    client.text("counter", json!({})).await;
    client.delete().await;
    let page = shown(&service, "the next one leaves", |page| exits(page, "expected") == 1.0).await;
    assert_eq!(page.value("mcpvisor_exits_total", &[A, ("kind", "expected"), ("reason", "exit")]), 1.0);
    assert_eq!(exits(&page, "unexpected"), 1.0);
}

/// Requests that an operator's restart has cut short would be missing from those that were lost.
#[tokio::test]
async fn whoever_is_told_that_the_backend_was_lost_is_counted_whatever_the_cause() {
    let config = backend("a", &["--fault-tools"], "");
    let folder = tempfile::TempDir::new().unwrap();
    let service = Service::start_in(folder, &config, &["gateway.drain_timeout=300ms"]).await;
    let client = Client::open(&service, "a").await;
    client.call("crash", json!({})).await;
    let (lost, ()) = tokio::join!(client.call("sleep", json!({ "ms": 600_000 })), async {
        service.in_flight(1).await;
        Ask::new("POST", "/api/v1/backends/a/restart").send(&service.admin).await;
    });
    assert_eq!(code(&lost), -31001, "{lost}");
    let page = service.page().await;
    assert_eq!(page.value("mcpvisor_requests_lost_total", &[A]), 2.0);
    assert_eq!(page.value("mcpvisor_request_errors_total", &[A, ("kind", "backend_lost")]), 2.0);
    for side in ["client", "server"] {
        let name = format!("mcp_{side}_operation_duration_seconds_count");
        assert_eq!(page.sum(&name, &[A, ("error_type", "backend_lost")]), 2.0, "{side}");
    }
}

/// A backend that is slow, and one that is asked too much, would look alike.
#[tokio::test]
async fn what_is_in_flight_and_what_waits_is_seen_while_it_lasts() {
    let service = Service::start(&backend("a", &[], "limits.max_in_flight = 1")).await;
    let client = Client::open_with(&service, "a", "", json!({ "sampling": {} })).await;
    let in_flight =
        |page: &Page, direction| page.value("mcpvisor_requests_in_flight", &[A, ("direction", direction)]);
    let before = service.page().await;
    let bytes = |page: &Page, direction| page.value("mcpvisor_bytes_total", &[A, ("direction", direction)]);
    let call = client.message("tools/call", json!({ "name": "sample", "arguments": { "prompt": "?" } }));
    let mut reply = client.post(&call).await;
    let asked = reply.message().await.unwrap();
    let text = "x".repeat(5000);
    let (echoed, page) = tokio::join!(client.text("echo", json!({ "message": text })), async {
        let page =
            shown(&service, "one waits", |page| page.value("mcpvisor_requests_queued", &[A]) == 1.0).await;
        assert_eq!((in_flight(&page, "to_backend"), in_flight(&page, "to_client")), (1.0, 1.0));
        assert_eq!(page.value("mcpvisor_queue_wait_seconds_count", &[A]), 0.0, "it waits still");
        assert_eq!(page.value("mcpvisor_actors", &[("actor", "connection")]), 1.0);
        client.respond(&asked["id"], json!({ "model": "m", "role": "assistant" })).await;
        reply.message().await.expect("the tool's answer");
        service.page().await
    });
    assert_eq!(echoed, text);
    assert_eq!(in_flight(&page, "to_client"), 0.0);
    let page = service.page().await;
    assert_eq!(in_flight(&page, "to_backend"), 0.0);
    assert_eq!(page.value("mcpvisor_requests_queued", &[A]), 0.0);
    assert_eq!(page.value("mcpvisor_queue_wait_seconds_count", &[A]), 1.0);
    assert!(page.value("mcpvisor_queue_wait_seconds_sum", &[A]) > 0.0);
    for direction in ["to_backend", "to_client"] {
        let moved = bytes(&page, direction) - bytes(&before, direction);
        assert!((5000.0..10_000.0).contains(&moved), "{direction}: {moved}");
    }
}

/// What mcpvisor adds to a call could not be told: the client's and the server's operations would not match.
#[tokio::test]
async fn both_sides_of_an_operation_carry_the_same_labels() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    client.text("echo", json!({ "message": "x" })).await;
    client.request("made/up", Value::Null).await;
    let page = service.page().await;
    for side in ["client", "server"] {
        let name = format!("mcp_{side}_operation_duration_seconds_count");
        let version = ("mcp_protocol_version", "2025-11-25");
        let ok = [A, version, ("mcp_method_name", "tools/call"), ("error_type", "")];
        assert_eq!(page.value(&name, &ok), 1.0, "{side}");
        let unknown = [A, version, ("mcp_method_name", "_OTHER"), ("error_type", "-32601")];
        assert_eq!(page.value(&name, &unknown), 1.0, "{side}");
    }
    let transport = |side: &str, transport| {
        let name = format!("mcp_{side}_operation_duration_seconds_count");
        page.sum(&name, &[A, ("network_transport", transport)])
    };
    assert!(transport("client", "pipe") >= 2.0 && transport("server", "tcp") >= 2.0);
    assert_eq!((transport("client", "tcp"), transport("server", "pipe")), (0.0, 0.0));
}

/// It could not be told which tool is slow; or clients could make labels by calling what is not there.
#[tokio::test]
async fn tools_are_told_apart_where_that_is_wanted_by_the_names_that_the_server_lists() {
    let config = format!("[telemetry]\ntool_labels = true\n{}", backend("a", &[], ""));
    let service = Service::start(&config).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    one.text("echo", json!({ "message": "x" })).await;
    one.request("tools/list", json!({})).await;
    // Known of the backend, whoever has asked for the list.
    other.text("echo", json!({ "message": "x" })).await;
    other.call("made_up", json!({})).await;
    let page = service.page().await;
    for side in ["client", "server"] {
        let name = format!("mcp_{side}_operation_duration_seconds_count");
        let call = ("mcp_method_name", "tools/call");
        let of = |tool| page.sum(&name, &[A, call, ("gen_ai_tool_name", tool)]);
        assert_eq!((of("echo"), of("_OTHER"), of("made_up")), (1.0, 2.0, 0.0), "{side}");
    }
}

/// A tree that hangs, or leaks, would not show.
#[tokio::test]
async fn actors_and_their_mailboxes_are_counted() {
    let service = Service::start(&backend("a", &[], "")).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    for _ in 0..20 {
        one.text("echo", json!({ "message": "x" })).await;
    }
    let page = service.page().await;
    let actors = |page: &Page, actor| page.value("mcpvisor_actors", &[("actor", actor)]);
    for actor in ["root", "registry", "janitor"] {
        assert_eq!(actors(&page, actor), 1.0, "{actor}");
    }
    for actor in ["supervisor", "connection", "session"] {
        assert_eq!(actors(&page, actor), 2.0, "{actor}");
    }
    for actor in ["registry", "supervisor", "connection"] {
        for times in ["mcpvisor_mailbox_wait_seconds", "mcpvisor_actor_handle_duration_seconds"] {
            assert!(page.value(&format!("{times}_count"), &[("actor", actor)]) > 0.0, "{times} {actor}");
        }
    }
    // The Registry is just being asked.
    let waiting = page.sum("mcpvisor_mailbox_messages", &[]);
    assert!((1.0..5.0).contains(&waiting), "{waiting}");
    one.delete().await;
    other.delete().await;
    let page = shown(&service, "they are gone", |page| actors(page, "supervisor") == 0.0).await;
    assert_eq!(actors(&page, "session"), 0.0);
}
