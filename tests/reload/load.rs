//! Reloads under load.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::json;

use crate::common::{Client, Service, code, text_of};
use crate::{marked, reload};

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
            reload(&service, &config(round)).await;
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
