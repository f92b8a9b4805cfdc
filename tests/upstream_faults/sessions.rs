//! Upstreams that forget their session, and sessions that end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::sync::Notify;

use super::common::{self, Client, Service, code, eventually, reason};
use super::reply::Reply;
use super::upstream::Upstream;
use super::{comes_again, counted, counted_in_all, counter, is, shown, state, until_phase};

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

/// A client that does several things at once would lose all but one of them.
#[tokio::test]
async fn all_calls_that_find_the_session_forgotten_are_carried_out_once() {
    let (upstream, forget) = forgetful().await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    assert_eq!(counter(&client).await, "1");
    forget.store(true, Relaxed);
    let counts: HashSet<String> = common::all((0..8).map(|_| counter(&client))).await.into_iter().collect();
    assert_eq!(counts, (1..=8).map(|count| count.to_string()).collect());
    assert_eq!(upstream.count("initialize"), 2);
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
    assert_eq!(counted_in_all(&service, "requests_lost_total", "up").await, 0.0);
}

/// A call that the upstream may have begun in the session that it has lost would be carried out twice, or hang.
#[tokio::test]
async fn a_call_under_way_when_the_session_is_lost_is_not_sent_again() {
    let forgotten = Arc::new(AtomicBool::new(false));
    let forget = forgotten.clone();
    let upstream = Upstream::start(move |seen| {
        if seen.tool() == "long" {
            return Some(Reply::silence());
        }
        (forgotten.load(Relaxed) && seen.session() == "upstream-1").then(not_found)
    })
    .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    let (long, ()) = tokio::join!(client.call("long", json!({})), async {
        upstream.until("tools/call", 1).await;
        forget.store(true, Relaxed);
        assert_eq!(counter(&client).await, "1");
    });
    assert_eq!((code(&long), reason(&long)), (-31001, "http_status"), "{long}");
    assert_eq!(upstream.saw("tools/call").iter().filter(|call| call.tool() == "long").count(), 1);
    assert_eq!(counted_in_all(&service, "requests_lost_total", "up").await, 1.0);
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
}

/// A deployment here and one there at the same time would cut off calls that could have finished.
#[tokio::test]
async fn a_session_lost_in_a_drain_costs_only_the_call_that_finds_it_lost() {
    let (lose, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (lost, finished) = (lose.clone(), finish.clone());
    let upstream = Upstream::start(move |seen| match seen.tool() {
        "lost" => Some(not_found().when(lost.clone())),
        "long" => Some(Reply::json("", &seen.text("done")).when(finished.clone())),
        _ => None,
    })
    .await;
    let mut service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    let (lost, long, ()) = tokio::join!(
        async {
            let answer = client.call("lost", json!({})).await;
            finish.notify_one();
            answer
        },
        client.call("long", json!({})),
        async {
            service.in_flight(2).await;
            service.signal(Signal::TERM);
            let draining = async || (shown(&service, &client).await["phase"] == "draining").then_some(());
            eventually("it drains", draining).await;
            lose.notify_one();
        }
    );
    assert_eq!((code(&lost), reason(&lost)), (-31001, "http_status"), "{lost}");
    assert_eq!(common::text_of(&long), "done");
    assert_eq!(upstream.count("tools/call"), 2, "none is sent again");
    assert_eq!(service.ended().await.code(), Some(0));
}

/// A call that its client no longer wants would be carried out after all, in the new session.
#[tokio::test]
async fn a_call_cancelled_while_the_session_is_renewed_is_not_sent_again() {
    let upstream = Upstream::start(|seen| match seen.tool() {
        "long" => Some(Reply::silence()),
        "refused" => Some(not_found()),
        _ => None,
    })
    .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    assert_eq!(counter(&client).await, "1");
    let call = client.message("tools/call", json!({ "name": "refused", "arguments": {} }));
    let (ask, address) = (client.ask(call.to_string()), service.main.clone());
    let mut asked = None;
    let (long, ()) = tokio::join!(client.call("long", json!({})), async {
        upstream.until("tools/call", 2).await;
        asked = Some(tokio::spawn(async move { ask.send(&address).await }));
        upstream.until("tools/call", 3).await;
        // As long as the first call is under way, the session is not given up.
        client.notify("notifications/cancelled", json!({ "requestId": call["id"] })).await;
    });
    assert_eq!((code(&long), reason(&long)), (-31001, "http_status"), "{long}");
    assert_eq!(counter(&client).await, "1", "in the new session");
    assert_eq!(upstream.saw("tools/call").iter().filter(|seen| seen.tool() == "refused").count(), 1);
    asked.unwrap().abort();
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

/// An upstream behind a balancer that sends every request elsewhere would be asked for new sessions as fast as it answers, and
/// nobody see why nothing works.
#[tokio::test]
async fn one_that_never_knows_its_sessions_is_not_asked_for_ever() {
    let upstream = Upstream::start(|seen| (seen.what == "notifications/initialized").then(not_found)).await;
    let settings = "pool.max_error_count = 2\nbackoff.min = \"10ms\"\n";
    let service = Service::start(&upstream.backend("up", settings)).await;
    let client = Client::open(&service, "up").await;
    until_phase(&service, &client, "stopped").await;
    assert_eq!(upstream.count("initialize"), 4, "the first, one renewal, and two restarts");
    assert_eq!(counted(&service, "faults_total", "up", "http_connect").await, 3.0);
    let answer = client.call("counter", json!({})).await;
    comes_again(&answer, "cooling");
    assert!(answer["error"]["message"].as_str().unwrap().contains("404"), "{answer}");
}
