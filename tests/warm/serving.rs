//! Who gets a spare, and what of it.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::json;

use super::common::{Ask, Client, Service, all, backend, eventually, exists};
use super::{FAST, SLOW, all_warm, nobody_has_an_error, pid_of, reserve, the_spare, used};

const SLOW_START: [&str; 2] = ["--slow-start", "2000"];

/// Every new session of a slow starter would wait for it.
#[tokio::test]
async fn a_new_session_is_served_at_once_and_the_reserve_is_filled_again() {
    let service = Service::start(&backend("a", &SLOW_START, "warm = 1")).await;
    let spare = the_spare(&service).await;
    assert!(service.connections().await.is_empty(), "a spare is nobody's session");
    assert_eq!(service.metric(r#"mcpvisor_spares{backend="a",state="warm"}"#).await, 1.0);
    let asked = Instant::now();
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    assert!(asked.elapsed() < FAST, "{:?}", asked.elapsed());
    assert_eq!(client.pid().await, spare);
    let handshake = client.known("handshake").await;
    assert!(handshake["initialize"].as_str().unwrap().contains(r#""name":"test""#), "its own: {handshake}");
    let connections = service.connections().await;
    assert_eq!((connections.len(), pid_of(&connections[0])), (1, Some(spare)), "{connections:?}");
    let next = the_spare(&service).await;
    assert!(next != spare && exists(spare));
    assert_eq!((used(&service, "ok").await, used(&service, "died").await), (1.0, 0.0));
    assert_eq!(service.metric(r#"mcpvisor_launches_total{backend="a",result="ok"}"#).await, 1.0);
    nobody_has_an_error(&service).await;
}

/// Two sessions that want the same spare would get the same server, or one of them none.
#[tokio::test]
async fn of_two_at_once_one_gets_the_spare_and_the_other_its_own_launch() {
    let service = Service::start(&backend("a", &SLOW_START, "warm = 1")).await;
    let spare = the_spare(&service).await;
    let mut served = all((0..2).map(|_| async {
        let asked = Instant::now();
        let client = Client::open(&service, "a").await;
        let pid = client.pid().await;
        (asked.elapsed(), pid, client)
    }))
    .await;
    served.sort_by_key(|(took, ..)| *took);
    let [(fast, first, one), (slow, second, other)] = &served[..] else { panic!("two") };
    assert!(*fast < FAST && *slow >= SLOW, "{fast:?} {slow:?}");
    assert!(*first == spare && *second != spare);
    for client in [one, other] {
        assert_eq!(client.text("counter", json!({})).await, "1", "each has a memory of its own");
    }
    nobody_has_an_error(&service).await;
}

/// One client would read the memory of another.
#[tokio::test]
async fn no_process_is_ever_shared() {
    let service = Service::start(&backend("a", &[], "warm = 3")).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.extend(all((0..8).map(|_| Client::open(&service, "a"))).await);
    }
    let mut pids = HashSet::new();
    for client in &clients {
        assert_eq!(client.text("counter", json!({})).await, "1");
        assert!(pids.insert(client.pid().await), "one process, two sessions");
    }
    all_warm(&service, 3).await;
    let spares = reserve(&service).await;
    assert!(spares.len() == 3 && spares.iter().all(|pid| !pids.contains(pid)), "{spares:?} {pids:?}");
    assert!(used(&service, "ok").await >= 3.0);
    nobody_has_an_error(&service).await;
}

/// A crash of a slow starter would stop its session for as long as it takes to start.
#[tokio::test]
async fn a_restart_takes_a_spare_too() {
    let flags = [&SLOW_START[..], &["--fault-tools"]].concat();
    let service = Service::start(&backend("a", &flags, "warm = 1")).await;
    the_spare(&service).await;
    let client = Client::open(&service, "a").await;
    let spare = the_spare(&service).await;
    client.call("crash", json!({})).await;
    let asked = Instant::now();
    assert_eq!(client.pid().await, spare);
    assert!(asked.elapsed() < FAST, "{:?}", asked.elapsed());
    let connections = service.connections().await;
    assert_eq!((&connections[0]["error_count"], &connections[0]["restarts"]), (&json!(1), &json!(1)));
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="exit"}"#).await, 1.0);
    assert_eq!(used(&service, "ok").await, 2.0);
}

/// Where only one launch may run at once, a session would wait for the spare's and then for its own.
#[tokio::test]
async fn who_waits_for_the_launch_of_a_spare_gets_the_spare() {
    let service =
        Service::start(&backend("a", &SLOW_START, "warm = 1\nlimits.max_concurrent_launches = 1")).await;
    let starting = async || match *reserve(&service).await {
        [pid] => Some(pid),
        _ => None,
    };
    let spare = eventually("the spare is started", starting).await;
    assert_eq!(Client::open(&service, "a").await.pid().await, spare);
    nobody_has_an_error(&service).await;
}

/// The first session of a shared server would wait for its start.
#[tokio::test]
async fn a_shared_connection_takes_one_spare_for_all() {
    let service = Service::start(&backend("a", &SLOW_START, "warm = 1\nisolation = \"shared\"")).await;
    let spare = the_spare(&service).await;
    let asked = Instant::now();
    let clients = all((0..3).map(|_| Client::open(&service, "a"))).await;
    assert!(asked.elapsed() < FAST, "{:?}", asked.elapsed());
    for client in &clients {
        assert_eq!(client.pid().await, spare);
    }
    assert_eq!(used(&service, "ok").await, 1.0);
}

/// Processes that nobody uses would keep out sessions that want one.
#[tokio::test]
async fn where_there_is_little_room_sessions_come_first() {
    let config = ["[limits]\nmax_connections = 2\n".to_owned(), backend("a", &[], "warm = 2")].concat();
    let service = Service::start(&config).await;
    all_warm(&service, 2).await;
    let (one, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    assert_ne!(one.pid().await, other.pid().await);
    assert!(reserve(&service).await.is_empty(), "no room is left");
    assert_eq!(one.delete().await, 204);
    the_spare(&service).await;
}

/// Backends without use would lose their reserve, and their next session would wait after all.
#[tokio::test]
async fn an_idle_session_is_evicted_and_its_next_request_takes_the_spare() {
    let settings = "warm = 1\npool.idle_timeout = \"300ms\"\npool.cleanup_interval = \"100ms\"";
    let service = Service::start(&backend("a", &SLOW_START, settings)).await;
    the_spare(&service).await;
    let client = Client::open(&service, "a").await;
    let before = client.pid().await;
    eventually("it is evicted", async || (!exists(before)).then_some(())).await;
    let spare = the_spare(&service).await;
    let more_sweeps = async || {
        let evictions = service.metric(r#"mcpvisor_idle_evictions_total{backend="a"}"#).await;
        (evictions >= 1.0 && service.connections().await.is_empty()).then_some(())
    };
    eventually("nothing but the spare is left", more_sweeps).await;
    let asked = Instant::now();
    assert_eq!(client.pid().await, spare, "the session lives on");
    assert!(asked.elapsed() < FAST, "{:?}", asked.elapsed());
}

/// An operator could not see what runs.
#[tokio::test]
async fn status_shows_spares_apart_from_connections() {
    let service = Service::start(&backend("a", &[], "warm = 2")).await;
    all_warm(&service, 2).await;
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_mcpvisor"))
        .args(["status", "--admin", &service.admin])
        .output()
        .unwrap();
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(text.contains("0 ready, 2 spare") && text.contains("no connections"), "{text}");
    let health = Ask::new("GET", "/health").send(&service.main).await.json().await;
    assert_eq!(health["servers"]["a"]["status"], "stopped", "nobody uses it: {health}");
}
