//! Spares end when they are old, when an operator says so, and with the service.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::common::{Ask, Client, Service, backend, eventually, exists, kill_9, marked, reason};
use super::{all_warm, lost, nobody_has_an_error, reserve, spares, the_spare, used};

async fn order(service: &Service, what: &str) {
    let reply = Ask::new("POST", &format!("/api/v1/backends/a/{what}")).send(&service.admin).await;
    assert_eq!(reply.status, 200, "{what}");
}

/// A session would get a process whose credentials or connections have long expired.
#[tokio::test]
async fn an_old_spare_is_replaced_and_there_is_one_all_the_time() {
    let service =
        Service::start(&backend("a", &["--slow-start", "300"], "warm = 1\nwarm_max_age = \"1s\"")).await;
    let first = the_spare(&service).await;
    eventually("it is replaced", async || {
        assert!(spares(&service).await.1 >= 1, "a session that comes now would have to wait");
        (!exists(first)).then_some(())
    })
    .await;
    let second = the_spare(&service).await;
    assert_ne!(second, first);
    assert_eq!(
        Client::open(&service, "a").await.call("pid", serde_json::json!({})).await["error"],
        serde_json::Value::Null
    );
    assert_eq!(lost(&service).await, 0.0, "an order is no loss");
    let unexpected = [("backend", "a"), ("kind", "unexpected")];
    assert_eq!(service.page().await.sum("mcpvisor_exits_total", &unexpected), 0.0);
    nobody_has_an_error(&service).await;
}

/// What an operator stops would run on in reserve; what he restarts would come back as it was.
#[tokio::test]
async fn a_stop_ends_them_and_a_restart_replaces_them() {
    let service = Service::start(&backend("a", &[], "warm = 2")).await;
    all_warm(&service, 2).await;
    let client = Client::open(&service, "a").await;
    client.pid().await;
    all_warm(&service, 2).await;
    order(&service, "stop").await;
    service.nothing_is_left().await;
    assert_eq!(spares(&service).await, (0, 0));
    order(&service, "start").await;
    all_warm(&service, 2).await;
    let before = [reserve(&service).await, vec![client.pid().await]].concat();
    all_warm(&service, 2).await;
    order(&service, "restart").await;
    let pid = client.pid().await;
    assert!(!before.contains(&pid), "one of before");
    let replaced = async || {
        let now = marked(&service.instance);
        (now.len() == 3 && !now.iter().any(|pid| before.contains(pid))).then_some(())
    };
    eventually("all are others", replaced).await;
    nobody_has_an_error(&service).await;
}

/// A backend that was stopped would be started by the death of its spare, or by its age.
#[tokio::test]
async fn a_disabled_backend_has_none() {
    let config = [backend("a", &[], "warm = 2\ndisabled = true"), backend("b", &[], "warm = 1")].concat();
    let service = Service::start(&config).await;
    let started = async || (marked(&service.instance).len() == 1).then_some(());
    eventually("b has its spare", started).await;
    assert_eq!(spares(&service).await, (0, 0));
    let initialize = Client::initialize("2025-11-25", serde_json::json!({})).to_string();
    assert_eq!(Ask::mcp("/mcp/a", initialize).send(&service.main).await.status, 404);
}

/// Spares would outlive the service that nobody has asked to start them.
#[tokio::test]
async fn the_end_of_the_service_leaves_none_of_them() {
    let flags = ["--ignore-eof", "--ignore-term", "--grandchild", "--grandchild-setsid"];
    let slow = ["--slow-start", "60000", "--ignore-eof"];
    let config = [backend("a", &flags, "warm = 2"), backend("b", &slow, "warm = 1")].concat();
    let mut service = Service::start(&config).await;
    all_warm(&service, 2).await;
    let asked = Instant::now();
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    // Together, each by its ladder of 4 s.
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert!(marked(&service.instance).is_empty(), "left behind");
    assert!(service.log().contains("spare.ended"));
}

/// A kill of the service would leave them all, and the next start would add its own.
#[tokio::test]
async fn a_kill_of_the_service_leaves_none_of_them() {
    let flags = ["--ignore-eof", "--ignore-term", "--grandchild", "--grandchild-setsid"];
    let mut service = Service::start(&backend("a", &flags, "warm = 2")).await;
    all_warm(&service, 2).await;
    Client::open(&service, "a").await.call("pid", serde_json::json!({})).await;
    all_warm(&service, 2).await;
    assert_eq!(marked(&service.instance).len(), 3 * 3);
    kill_9(service.pid());
    service.ended().await;
    service.nothing_is_left().await;
}

/// While sessions are refused because a backend is broken, it would be started again and again.
#[tokio::test]
async fn an_open_breaker_holds_them_back_too() {
    let starts = tempfile::NamedTempFile::new().unwrap();
    let flags = ["--die-in-initialize", "--count-starts", starts.path().to_str().unwrap()];
    let settings = "warm = 1\nlimits.breaker_threshold = 3\npool.cooldown = \"10m\"\nbackoff.max = \"250ms\"";
    let service = Service::start(&backend("a", &flags, settings)).await;
    let open = async || {
        let initialize = Client::initialize("2025-11-25", serde_json::json!({})).to_string();
        let answer = Ask::mcp("/mcp/a", initialize).send(&service.main).await.json().await;
        (reason(&answer) == "breaker").then_some(())
    };
    eventually("the breaker opens", open).await;
    assert!(used(&service, "died").await >= 1.0, "they die of initialize, in the hands of sessions");
    let left = eventually("what was on its way has come", async || {
        let (starting, warm) = spares(&service).await;
        (starting == 0).then_some(warm)
    })
    .await;
    for spare in reserve(&service).await {
        kill_9(spare);
    }
    eventually("the reserve is empty", async || (spares(&service).await == (0, 0)).then_some(())).await;
    let started = starts.path().metadata().unwrap().len();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        assert_eq!(spares(&service).await, (0, 0), "{left} were left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(starts.path().metadata().unwrap().len(), started);
}
