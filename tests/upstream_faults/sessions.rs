//! Upstreams that forget their session, and sessions that end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::sync::Notify;

use super::common::{Client, Service, eventually};
use super::reply::Reply;
use super::upstream::Upstream;
use super::{counted, counted_in_all, counter, is, shown, state};

fn not_found() -> Reply {
    Reply::status(
        "404 Not Found",
        "",
        r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}"#,
    )
}

/// An upstream that has forgotten its first session once the switch is on.
async fn forgetful() -> (Upstream, Arc<AtomicBool>) {
    let forgotten = Arc::new(AtomicBool::new(false));
    let switch = forgotten.clone();
    let upstream = Upstream::start(move |seen| {
        (forgotten.load(Relaxed) && seen.session() == "upstream-1").then(not_found)
    })
    .await;
    (upstream, switch)
}

/// Every restart of an upstream would end the sessions of its clients, most of which never recover from that, or carry a
/// call out twice.
#[tokio::test]
async fn one_that_has_forgotten_its_session_gets_a_new_one_and_the_call_once() {
    let (upstream, forget) = forgetful().await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let initialize = r#"{"id":"first","method":"initialize","jsonrpc":"2.0","params":{"clientInfo":{"version":"1.0","name":"t"},"x":1.50,"capabilities":{},"protocolVersion":"2025-06-18"}}"#;
    let client = Client::open_by(&service, "up", "", initialize).await;
    let other = Client::open(&service, "up").await;
    client.request("logging/setLevel", json!({ "level": "warning" })).await;
    assert_eq!((counter(&client).await, counter(&other).await), ("1".into(), "1".into()));
    forget.store(true, Relaxed);
    assert_eq!(counter(&client).await, "1", "in a new session, where it is the first");
    assert_eq!(counter(&client).await, "2");

    let calls = upstream.saw("tools/call");
    let sessions: Vec<&str> = calls.iter().map(|call| call.session()).collect();
    assert_eq!(sessions, ["upstream-1", "upstream-2", "upstream-1", "upstream-3", "upstream-3"]);
    let handshakes = upstream.saw("initialize");
    assert_eq!((handshakes.len(), &handshakes[0].body["params"]), (3, &handshakes[2].body["params"]));
    assert_eq!(handshakes[2].session(), "", "a new session is not begun with the name of the old one");
    let levels = upstream.saw("logging/setLevel");
    assert_eq!((levels.len(), &levels[1].body["params"]["level"]), (2, &json!("warning")));
    assert_eq!(levels[1].header("mcp-protocol-version"), "2025-06-18");
    assert_eq!(upstream.count("notifications/initialized"), 3);
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
    for reason in ["http_status", "http_connect"] {
        assert_eq!(counted(&service, "faults_total", "up", reason).await, 0.0);
        assert_eq!(counted(&service, "restarts_total", "up", reason).await, 0.0);
    }
    assert_eq!(counter(&other).await, "2", "nobody else has noticed");
}

/// The upstream's sessions would pile up until it runs out of memory.
#[tokio::test]
async fn the_end_of_a_session_is_told_to_the_upstream() {
    let upstream = Upstream::polite().await;
    let mut service = Service::start(&upstream.backend("up", "")).await;
    let (client, other) = (Client::open(&service, "up").await, Client::open(&service, "up").await);
    assert_eq!(counter(&client).await, "1");
    let of_client = upstream.saw("tools/call")[0].session().to_owned();
    assert_eq!(client.delete().await, 204);
    upstream.until("DELETE", 1).await;
    assert_eq!(upstream.saw("DELETE")[0].session(), of_client);
    assert_eq!(counter(&other).await, "1");

    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    let ended: Vec<String> = upstream.saw("DELETE").iter().map(|seen| seen.session().to_owned()).collect();
    assert_eq!(ended.len(), 2, "a drain ends them too: {ended:?}");
    assert_ne!(ended[0], ended[1]);
}

/// An idle session would keep one at the upstream for ever, or be lost.
#[tokio::test]
async fn an_idle_session_ends_at_the_upstream_and_lives_on_here() {
    let upstream = Upstream::polite().await;
    let settings = "pool.idle_timeout = \"300ms\"\npool.cleanup_interval = \"100ms\"\n";
    let service = Service::start(&upstream.backend("up", settings)).await;
    let client = Client::open(&service, "up").await;
    assert_eq!(counter(&client).await, "1");
    upstream.until("DELETE", 1).await;
    assert_eq!(counter(&client).await, "1", "in a session of its own");
    assert_eq!(counted_in_all(&service, "idle_evictions_total", "up").await, 1.0);
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
}

/// A cancel would count as an error of the server, and a few of them stop it.
#[tokio::test]
async fn a_cancelled_call_whose_stream_ends_without_an_answer_is_no_error() {
    let ended = Arc::new(Notify::new());
    let cancelled = AtomicUsize::new(0);
    let upstream = Upstream::start({
        let ended = ended.clone();
        move |seen| match seen.what.as_str() {
            // As a server does that heeds a cancel: the stream of the call ends, and nothing was in it.
            "tools/call" if seen.tool() != "counter" => Some(Reply::events("").when(ended.clone())),
            "notifications/cancelled" => {
                cancelled.fetch_add(1, Relaxed);
                ended.notify_one();
                None
            }
            _ => None,
        }
    })
    .await;
    let service = Service::start(&upstream.backend("up", "pool.max_error_count = 0\n")).await;
    let client = Client::open(&service, "up").await;
    client.request("tools/list", json!({})).await;
    for tool in ["long", "look"] {
        let before = upstream.count("tools/call");
        let call = client.message("tools/call", json!({ "name": tool, "arguments": {} }));
        let (ask, address) = (client.ask(call.to_string()), service.main.clone());
        let asked = tokio::spawn(async move { ask.send(&address).await });
        upstream.until("tools/call", before + 1).await;
        client.notify("notifications/cancelled", json!({ "requestId": call["id"] })).await;
        let over = async || (shown(&service, &client).await["in_flight"] == 0).then_some(());
        eventually("it is over", over).await;
        asked.abort();
        assert_eq!(upstream.count("tools/call"), before + 1, "{tool} is not sent again");
        assert_eq!(state(&service, &client).await, is("ready", 0, 0), "{tool}");
    }
    assert_eq!(counted(&service, "faults_total", "up", "http_status").await, 0.0);
    assert_eq!(counter(&client).await, "1");
}

/// A session that is lost once a minute would be worn down by it, or the client told that it ended.
#[tokio::test]
async fn one_that_forgets_every_session_after_one_call_is_borne() {
    let upstream = Upstream::start({
        let used: Arc<arc_swap::ArcSwap<HashSet<String>>> = Arc::default();
        move |seen| {
            if seen.what != "tools/call" {
                return None;
            }
            let before = used.rcu(|used| {
                let mut used = HashSet::clone(used);
                used.insert(seen.session().to_owned());
                used
            });
            before.contains(seen.session()).then(not_found)
        }
    })
    .await;
    let service = Service::start(&upstream.backend("up", "pool.max_error_count = 0\n")).await;
    let client = Client::open(&service, "up").await;
    for _ in 0..5 {
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), counter(&client)).await.unwrap(), "1");
    }
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
    assert_eq!(upstream.count("initialize"), 5);
}
