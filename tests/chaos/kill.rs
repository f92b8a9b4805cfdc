//! `kill -9`, with everybody watching. What the killed call is told, and when, is in `tests/crash.rs`.

use serde_json::json;

use crate::common::{eventually, exists, kill_9};
use crate::world::{PROMPT, World};

/// A user would see an error for a server that died while nobody used it, or another user would see anything at all.
#[tokio::test]
async fn a_kill_in_a_call_costs_that_call_and_one_between_calls_costs_nothing() {
    let world = World::new(&[], "").await;
    let first = world.victim.pid().await;
    let in_the_call = async || kill_9(first);
    let (answer, waited) = world.during(world.call_and("sleep", json!({ "ms": 60_000 }), in_the_call)).await;
    assert!(waited < PROMPT, "told only after {waited:?}");
    world.lost(&answer, "signal");
    assert_eq!(answer["error"]["data"]["signal"], 9, "{answer}");
    world.goes_on_without(first).await;

    let second = world.victim.pid().await;
    kill_9(second);
    world.fault("signal");
    let gone = async || (!exists(second)).then_some(());
    world.during(eventually("it is reaped", gone)).await;
    world.goes_on_without(second).await;
    world.end().await;
}
