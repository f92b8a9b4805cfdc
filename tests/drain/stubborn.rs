//! Servers that do not want to go.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::common::{self, Client, backend, code, eventually, exists, reason};
use super::serve;

/// Servers that do not want to go would stay behind, or hold up the end one after the other.
#[tokio::test]
async fn servers_that_ignore_eof_and_term_are_ended_within_the_drain() {
    let flags = ["--ignore-eof", "--ignore-term", "--grandchild", "--grandchild-setsid"];
    let settings = "timeouts.stdin_grace = \"1s\"\ntimeouts.term_grace = \"1s\"";
    let mut service = serve(&backend("stubborn", &flags, settings), "6s").await;
    let mut pids = Vec::new();
    for _ in 0..5 {
        let known = Client::open(&service, "stubborn").await.known("pid").await;
        pids.push(known["pid"].as_u64().unwrap());
        pids.extend(known["grandchildren"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap()));
    }
    assert_eq!(pids.len(), 15);
    let start = Instant::now();
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(6), "in parallel, not in turn: {:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_secs(2), "each had its time: {:?}", start.elapsed());
    service.nothing_is_left().await;
    let gone = async || pids.iter().all(|pid| !exists(u32::try_from(*pid).unwrap())).then_some(());
    eventually("whoever inherited them has reaped them", gone).await;
}

/// Deployments would take as long as the number of sessions, or leave servers behind.
#[tokio::test]
async fn thirty_busy_servers_that_do_not_want_to_go_are_gone_in_time() {
    let flags = ["--ignore-eof", "--ignore-term", "--no-answer", "--grandchild-setsid"];
    let settings = "timeouts.stdin_grace = \"1s\"\ntimeouts.term_grace = \"1s\"\n";
    let mut service = serve(&backend("stubborn", &flags, settings), "8s").await;
    let clients = common::all((0..30).map(|_| Client::open(&service, "stubborn"))).await;
    common::all(clients.iter().map(Client::pid)).await;
    let marked = common::marked(&service.instance).len();
    assert_eq!(marked, 60, "thirty servers, and one of each that has escaped its group");
    let start = Instant::now();
    let calls = clients.iter().map(|client| client.call("silent", json!({})));
    let (answers, ()) = tokio::join!(common::all(calls), async {
        service.in_flight(30).await;
        service.signal(Signal::TERM);
    });
    for answer in answers {
        assert_eq!((code(&answer), reason(&answer)), (-31005, "drain"), "{answer}");
    }
    let told = start.elapsed();
    assert!(told > Duration::from_secs(4), "each call had what the ladder leaves of the time, not {told:?}");
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    service.nothing_is_left().await;
}

/// Who gives it less time than its servers may take would find them running afterwards.
#[tokio::test]
async fn a_drain_that_is_shorter_than_the_ladder_is_kept_too() {
    let flags = ["--ignore-eof", "--ignore-term", "--grandchild-setsid"];
    let mut service = serve(&backend("stubborn", &flags, ""), "2s").await;
    for _ in 0..5 {
        assert!(Client::open(&service, "stubborn").await.pid().await > 0);
    }
    let start = Instant::now();
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(4), "it took {:?}", start.elapsed());
    service.nothing_is_left().await;
}
