//! A server that closes one end and lives on.

use std::time::Instant;

use serde_json::json;

use crate::common::{eventually, exists, text_of};
use crate::world::{PROMPT, World};

/// A server that can hear nothing more would keep its client until each request has timed out.
#[tokio::test]
async fn a_server_that_closed_its_input_is_replaced_when_it_is_told_something() {
    let world = World::new(&["--fault-tools", "--ignore-term", "--ignore-eof"], "").await;
    // What it had keeps it alive: it may still answer that.
    let before = world.victim.pid().await;
    let closes = async || {
        assert_eq!(world.victim.text("close_stdin", json!({})).await, "standard input is closed");
    };
    let (answer, _) = world.during(world.call_and("sleep", json!({ "ms": 800 }), closes)).await;
    assert_eq!(text_of(&answer), "slept 800 ms");

    // This one it cannot have heard, so another may: its client does not even notice.
    let start = Instant::now();
    let answer = world.during(world.victim.call("counter", json!({}))).await;
    assert!(start.elapsed() < PROMPT, "answered only after {:?}", start.elapsed());
    assert_eq!(text_of(&answer), "1");
    world.fault("eof");
    eventually("the deaf one is gone", async || (!exists(before)).then_some(())).await;
    assert_ne!(world.victim.pid().await, before);
    world.counted().await;

    // A call that it has, and will not answer, is lost with it.
    let before = world.victim.pid().await;
    let next = async || {
        world.victim.text("close_stdin", json!({})).await;
        world.victim.notify("notifications/roots/list_changed", json!({})).await;
    };
    let (answer, waited) = world.during(world.call_and("silent", json!({}), next)).await;
    assert!(waited < PROMPT, "told only after {waited:?}");
    world.lost(&answer, "eof");
    world.goes_on_without(before).await;
    world.end().await;
}

/// A server that can say nothing more would keep its client until each request has timed out, and then itself stay.
#[tokio::test]
async fn a_server_that_closed_its_output_is_replaced_at_once() {
    let world = World::new(&["--fault-tools", "--ignore-term", "--ignore-eof"], "").await;
    let before = world.victim.pid().await;
    let start = Instant::now();
    let answer = world.during(world.victim.call("close_stdout", json!({}))).await;
    assert!(start.elapsed() < PROMPT, "told only after {:?}", start.elapsed());
    world.lost(&answer, "eof");
    eventually("the dumb one is gone", async || (!exists(before)).then_some(())).await;
    world.goes_on_without(before).await;
    world.end().await;
}
