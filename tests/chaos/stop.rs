//! `SIGSTOP`: a server that is there, holds its pipes, and does nothing.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::common::{code, eventually, exists, kill_9, reason, signal};
use crate::world::{PROMPT, World};

const TIMEOUT: Duration = Duration::from_secs(2);

/// A stopped server would keep its client for ever, or take others with it.
#[tokio::test]
async fn a_stopped_server_times_out_its_call_and_goes_on_when_it_is_continued_or_replaced() {
    let world = World::new(&[], "timeouts.request = \"2s\"").await;
    let first = world.victim.pid().await;
    signal(first, Signal::STOP);
    let start = Instant::now();
    let answer = world.during(world.victim.call("counter", json!({}))).await;
    assert!((TIMEOUT..TIMEOUT + PROMPT).contains(&start.elapsed()), "it took {:?}", start.elapsed());
    assert_eq!((code(&answer), reason(&answer)), (-31003, "request"), "{answer}");
    world.counted().await; // a timeout is no fault

    signal(first, Signal::CONT);
    assert_eq!(world.victim.text("counter", json!({})).await, "2", "it had the call that timed out, too");
    assert_eq!(world.victim.pid().await, first);

    signal(first, Signal::STOP);
    let in_the_call = async || kill_9(first);
    let (answer, waited) = world.during(world.call_and("sleep", json!({ "ms": 1 }), in_the_call)).await;
    assert!(waited < PROMPT, "told only after {waited:?}");
    world.lost(&answer, "signal");
    world.goes_on_without(first).await;

    // What is stopped cannot react to SIGTERM.
    signal(world.victim.pid().await, Signal::STOP);
    world.end().await;
}

/// Requests to a stopped server would pile up in memory, or their client would wait for each of them to time out.
#[tokio::test]
async fn a_stopped_server_whose_pipe_is_full_is_replaced() {
    let world = World::new(&[], "timeouts.write = \"1s\"").await;
    let first = world.victim.pid().await;
    signal(first, Signal::STOP);
    let start = Instant::now();
    let message = "x".repeat(2 << 20);
    let answer = world.during(world.victim.call("echo", json!({ "message": message }))).await;
    assert!(start.elapsed() < Duration::from_secs(1) + PROMPT, "it took {:?}", start.elapsed());
    world.lost(&answer, "write_stalled");
    eventually("it is gone", async || (!exists(first)).then_some(())).await;
    world.goes_on_without(first).await;
    world.end().await;
}
