//! Reloads under load.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::json;

use crate::common::{Client, Service, code, eventually, open_files, text_of};
use crate::marked;

/// Somebody who reloads often would lose calls or sessions, now and then.
#[tokio::test]
async fn twenty_reloads_under_load_cost_no_call_of_a_backend_that_is_the_same_and_no_session() {
    let same = marked("same", "1", "");
    let config = |round: usize| {
        let coming = if round.is_multiple_of(3) { marked("coming", "1", "") } else { String::new() };
        [&same[..], &marked("changing", &round.to_string(), ""), &coming].concat()
    };
    let service = Service::start(&config(1)).await;
    let (one, two) = (Client::open(&service, "same").await, Client::open(&service, "same").await);
    let changing = Client::open(&service, "changing").await;
    let before = [one.pid().await, two.pid().await];
    let done = AtomicBool::new(false);
    let echoes = async |client: &Client| {
        let mut calls = 0;
        while !done.load(Relaxed) {
            let answer = client.call("echo", json!({ "message": "x" })).await;
            assert_eq!(code(&answer), 0, "{answer}");
            assert_eq!(text_of(&answer), "x");
            calls += 1;
        }
        calls
    };
    let marks = async || {
        while !done.load(Relaxed) {
            // Waits for the next process where there is none.
            let answer = changing.call("env", json!({ "name": "MARK" })).await;
            assert_eq!(code(&answer), 0, "{answer}");
        }
    };
    let reloads = async || {
        for round in 2..22 {
            service.reload(&config(round)).await;
            tokio::task::yield_now().await;
        }
        done.store(true, Relaxed);
    };
    let (of_one, of_two, (), ()) = tokio::join!(echoes(&one), echoes(&two), marks(), reloads());
    assert!(of_one > 20 && of_two > 20, "{of_one} {of_two}");
    assert_eq!([one.pid().await, two.pid().await], before);
    assert_eq!(changing.text("env", json!({ "name": "MARK" })).await, "21");
    assert_eq!(service.metric(r#"mcpvisor_config_reloads_total{result="ok"}"#).await, 20.0);
    let connections = service.connections().await;
    assert!(connections.iter().all(|one| one["total_errors"] == 0), "{connections:?}");
}

/// A service that is reloaded every day would run out of processes, sessions or file descriptors, or count them wrong.
#[tokio::test]
async fn forty_reloads_leave_nothing_behind() {
    let always = marked("always", "1", "");
    let config = |round: usize| {
        let comes = match round % 4 {
            0 => String::new(),
            1 => marked("comes", "1", "warm = 1"),
            2 => marked("comes", "2", "isolation = \"shared\""),
            _ => marked("comes", "2", "isolation = \"principal\"\nwarm = 1"),
        };
        [&always[..], &comes].concat()
    };
    let service = Service::start(&config(0)).await;
    let client = Client::open(&service, "always").await;
    let pid = client.pid().await;
    let files = open_files(service.pid());
    for round in 1..=40 {
        service.reload(&config(round)).await;
        if !round.is_multiple_of(4) {
            for _ in 0..2 {
                Client::open(&service, "comes").await.pid().await;
            }
        }
    }
    service.reload(&config(1)).await;
    let quiet = async || (service.connections().await.len() == 1).then_some(());
    eventually("nothing of before is left", quiet).await;
    let page = async || service.metrics().await;
    let of_comes = |page: &str, name: &str| -> Vec<(String, f64)> {
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains("backend=\"comes\""));
        let split =
            |line: &str| line.rsplit_once(' ').map(|(key, value)| (key.to_owned(), value.parse().unwrap()));
        lines.filter_map(split).collect()
    };
    let zero = async || {
        let page = page().await;
        let gauges =
            [of_comes(&page, "mcpvisor_connections{"), of_comes(&page, "mcpvisor_sessions{")].concat();
        assert_eq!(gauges.len(), 6, "{gauges:?}");
        gauges.iter().all(|(_, value)| *value == 0.0).then_some(())
    };
    eventually("nothing of it is counted", zero).await;
    let launches: f64 =
        of_comes(&page().await, "mcpvisor_launches_total{").iter().map(|(_, count)| count).sum();
    assert!(launches >= 30.0, "it went on counting: {launches}");
    service.reload(&config(0)).await;
    let own = async || (marked_processes(&service) == [pid]).then_some(());
    eventually("one process is left", own).await;
    let few = async || (open_files(service.pid()) <= files + 8).then_some(());
    eventually("its file descriptors are closed", few).await;
    assert_eq!(client.pid().await, pid);
}

fn marked_processes(service: &Service) -> Vec<u32> {
    crate::common::marked(&service.instance)
}
