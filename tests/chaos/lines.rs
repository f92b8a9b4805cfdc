//! Lines that are cut, and lines that do not end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{code, text_of};
use crate::world::{Memory, PROMPT, World};

/// The answer that begins in the middle of another would be lost, with everybody who waits for it.
#[tokio::test]
async fn half_a_line_is_waited_for_and_is_a_fault_once_another_is_glued_to_it() {
    let world = World::new(&["--half-line"], "").await;
    let answer = world.during(world.victim.call("half_line", json!({ "ms": 700 }))).await;
    assert_eq!(text_of(&answer), "half of this is missing", "it came in two halves");
    world.counted().await;

    let before = world.victim.pid().await;
    let glued = async || {
        let answer = world.victim.call("counter", json!({})).await;
        assert_eq!(code(&answer), -31001, "its answer is in the broken line: {answer}");
    };
    let start = Instant::now();
    let (answer, _) = world.during(world.call_and("half_line", json!({}), glued)).await;
    assert!(start.elapsed() < PROMPT, "told only after {:?}", start.elapsed());
    world.lost(&answer, "protocol");
    world.goes_on_without(before).await;
    world.end().await;
}

/// A screenshot too many, or a loop in a server, would take the memory of everybody.
#[tokio::test]
async fn a_line_of_100_mb_costs_its_call_and_little_memory() {
    let world = World::new(&["--fault-tools"], "").await;
    let memory = Memory::watch(&world.service);
    let endless = json!({ "stream": "stdout", "what": "line", "bytes": 100_000_000 });
    for (tool, arguments) in [("giant", json!({ "bytes": 100_000_000 })), ("flood", endless)] {
        let before = world.victim.pid().await;
        let start = Instant::now();
        let answer = world.during(world.victim.call(tool, arguments)).await;
        assert!(start.elapsed() < Duration::from_secs(20), "{tool} took {:?}", start.elapsed());
        world.lost(&answer, "oversize");
        world.goes_on_without(before).await;
    }
    // `limits.max_message_bytes`, and what copying it may take.
    memory.grew_less_than(16 + 64);
    world.end().await;
}
