//! Sessions: how they begin, how they end, and what goes on in them.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::client::{Client, send};
use crate::serve;
use crate::service::{World, eventually};

/// A client could not end what it began, or would go on with what is no longer there.
#[test]
fn delete_ends_a_session_and_its_stream() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let stream = client.listen(None);
    assert!(stream.is_stream());
    assert_eq!(client.delete().status, 204);
    assert!(stream.messages().is_empty(), "the stream ends");
    assert_eq!(client.request(json!(1), "ping", &json!({})).status, 404);
    assert_eq!(client.delete().status, 404);
    eventually("no session is counted", || {
        service.metrics().contains("mcpvisor_sessions{backend=\"one\"} 0").then_some(())
    });
}

/// A client would believe in a session whose server never agreed to one.
#[test]
fn a_refused_initialize_is_passed_on_and_leaves_nothing() {
    let world = World::new();
    let settings = "[timeouts]\nlaunch = \"2s\"";
    let service = serve(&world, settings, &[("no", &["--init-error"]), ("dies", &["--die-in-initialize"])]);
    let refused = Client::new(&service, "no").initialize("2025-11-25");
    assert_eq!((refused.status, refused.header("mcp-session-id")), (200, None));
    let body = refused.json();
    assert_eq!((&body["id"], &body["error"]["code"]), (&json!("init"), &json!(-32603)));

    let failed = Client::new(&service, "dies").initialize("2025-11-25");
    assert_eq!((failed.status, failed.header("mcp-session-id")), (200, None));
    let body = failed.json();
    assert_eq!((&body["id"], &body["error"]["code"]), (&json!("init"), &json!(-31006)));
    assert_eq!(body["error"]["data"]["backend"], "dies");
}

/// One client too many would take the service down, or be turned away without a hint.
#[test]
fn the_session_limit_holds_and_frees_itself() {
    let world = World::new();
    let service = serve(&world, "[limits]\nmax_sessions = 1", &[("one", &[])]);
    let first = Client::open(&service, "one");
    let second = Client::new(&service, "one").initialize("2025-11-25");
    assert_eq!(second.status, 503);
    assert!(second.header("retry-after").is_some());
    let body = second.json();
    assert_eq!((&body["id"], &body["error"]["code"]), (&json!("init"), &json!(-31004)));
    assert_eq!(body["error"]["data"]["reason"], "sessions");
    assert_eq!(first.delete().status, 204);
    Client::open(&service, "one");
}

/// Clients that never say goodbye would pile up for ever.
#[test]
fn a_session_nobody_uses_ends_by_itself_and_an_open_call_or_stream_is_use() {
    let world = World::new();
    let service = serve(&world, "[session]\nttl = \"1s\"", &[("one", &[])]);
    let (idle, busy) = (Client::open(&service, "one"), Client::open(&service, "one"));
    let listening = Client::open(&service, "one");
    let stream = listening.listen(None);
    assert_eq!(busy.text("sleep", json!({ "ms": 2500 })), "slept 2500 ms");
    assert_eq!(busy.request(json!(1), "ping", &json!({})).status, 200);
    assert_eq!(listening.request(json!(1), "ping", &json!({})).status, 200);
    assert_eq!(idle.request(json!(1), "ping", &json!({})).status, 404);
    drop(stream);
}

/// One slow tool would stop everything else in its session, and a repeated id would mix up answers.
#[test]
fn requests_of_one_session_run_at_once_and_are_told_apart() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let from = Instant::now();
    let calls: Vec<_> = (0..4)
        .map(|id| {
            let client = client.clone();
            std::thread::spawn(move || client.call(id, "sleep", json!({ "ms": 1000 })).json()["id"].clone())
        })
        .collect();
    eventually("the calls are in flight", || {
        (client.text("peak", json!({})).parse::<u32>().unwrap() >= 4).then_some(())
    });
    let twice = client.call(2, "echo", json!({})).json();
    assert_eq!(twice["error"]["code"], -32600, "{twice}");
    for (id, call) in calls.into_iter().enumerate() {
        assert_eq!(call.join().unwrap(), json!(id));
    }
    assert!(from.elapsed() < Duration::from_millis(3500), "one after the other: {:?}", from.elapsed());
}

/// A user who presses stop would wait for a call that nobody wants.
#[test]
fn a_cancelled_call_ends_without_an_answer() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let waiting = client.clone();
    let call = std::thread::spawn(move || waiting.call(7, "sleep", json!({ "ms": 60_000 })));
    eventually("the call is in flight", || {
        (client.text("peak", json!({})).parse::<u32>().unwrap() >= 2).then_some(())
    });
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    assert_eq!(client.post(&cancel).status, 202);
    let ended = call.join().unwrap();
    assert_eq!((ended.status, ended.text()), (202, String::new()));
    eventually("the backend heard of it", || (client.text("cancelled", json!({})) == "1").then_some(()));
}

/// The revision that has batches would be served without them.
#[test]
fn a_batch_of_2025_03_26_gets_every_answer() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open_version(&service, "one", "2025-03-26");
    let request = |id: i64, tool: &str, arguments: serde_json::Value, meta: serde_json::Value| {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    let ids = |answers: &[serde_json::Value]| {
        let mut ids: Vec<i64> = answers.iter().filter_map(|answer| answer["id"].as_i64()).collect();
        ids.sort_unstable();
        ids
    };

    let plain = client.post(&json!([
        request(1, "echo", json!({}), json!({})),
        note,
        request(2, "add", json!({}), json!({}))
    ]));
    assert_eq!(plain.header("content-type"), Some("application/json"));
    assert_eq!(ids(plain.json().as_array().unwrap()), [1, 2]);

    let progress = request(3, "progress", json!({ "steps": 2, "ms": 5 }), json!({ "progressToken": 1 }));
    let streamed = client.post(&json!([progress, request(4, "sleep", json!({ "ms": 200 }), json!({}))]));
    assert!(streamed.is_stream());
    let messages = streamed.messages();
    assert_eq!(ids(&messages), [3, 4]);
    assert!(messages.iter().any(|message| message["method"] == "notifications/progress"));

    let silent = client.post(&json!([note, note]));
    assert_eq!((silent.status, silent.text()), (202, String::new()));
}

/// A restart of the service would cut calls off, or take on work that it cannot finish.
#[test]
fn a_drain_finishes_what_is_in_flight_and_refuses_what_is_new() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let stream = client.listen(None);
    let waiting = client.clone();
    let call = std::thread::spawn(move || waiting.call(1, "sleep", json!({ "ms": 1500 })).json());
    eventually("the call is in flight", || {
        (client.text("peak", json!({})).parse::<u32>().unwrap() >= 2).then_some(())
    });
    service.signal(Signal::TERM);
    eventually("not ready", || (send(&service.main, "GET", "/readyz", &[], b"").status == 503).then_some(()));
    for refused in [client.call(5, "echo", json!({})), Client::new(&service, "one").initialize("2025-11-25")]
    {
        assert_eq!(refused.status, 503);
        assert!(refused.header("retry-after").is_some());
        let body = refused.json();
        assert_eq!(
            (&body["error"]["code"], &body["error"]["data"]["reason"]),
            (&json!(-31005), &json!("drain"))
        );
        assert!(body["id"] == json!(5) || body["id"] == json!("init"), "{body}");
    }
    assert_eq!(call.join().unwrap()["result"]["content"][0]["text"], "slept 1500 ms");
    assert!(stream.messages().is_empty(), "the stream ends with the drain");
    assert_eq!(service.ended().code(), Some(0));
}

/// A workflow that closes its gateway would wait for ever, or close it twice.
#[test]
fn close_is_answered_once_and_ends_the_service() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let waiting = client.clone();
    let call = std::thread::spawn(move || waiting.call(1, "sleep", json!({ "ms": 1000 })).json());
    eventually("the call is in flight", || {
        (client.text("peak", json!({})).parse::<u32>().unwrap() >= 2).then_some(())
    });
    let closed = send(&service.main, "POST", "/close", &[], b"");
    assert_eq!(closed.status, 200);
    assert_eq!(closed.json()["status"], "closed");
    assert_eq!(send(&service.main, "POST", "/close", &[], b"").status, 410);
    let refused = client.call(5, "echo", json!({})).json();
    assert_eq!(refused["error"]["data"]["reason"], "close");
    assert!(call.join().unwrap()["result"].is_object());
    assert_eq!(service.ended().code(), Some(0));
}

/// An orchestrator would restart a healthy service, or never see a broken server.
#[test]
fn probes_tell_the_service_from_its_servers() {
    let world = World::new();
    let settings = "[pool]\nmax_error_count = 0";
    let service = serve(&world, settings, &[("bad", &["--die-in-initialize"]), ("good", &[])]);
    let health = || send(&service.main, "GET", "/health", &[], b"").json();
    assert_eq!(health()["servers"]["good"]["status"], "stopped");
    assert_eq!(health()["status"], "healthy");
    Client::open(&service, "good");
    assert_eq!(health()["servers"]["good"]["status"], "running");
    Client::new(&service, "bad").initialize("2025-11-25").text();
    for path in ["/livez", "/readyz"] {
        assert_eq!(send(&service.main, "GET", path, &[("Host", "10.1.2.3:8080")], b"").status, 200);
    }
}
