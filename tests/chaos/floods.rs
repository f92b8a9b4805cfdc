//! More output than anybody wants.

use serde_json::json;

use crate::common::text_of;
use crate::world::{Memory, World};

/// A server that logs all it does would fill memory and disk, or stand still because nobody takes what it says.
#[tokio::test]
async fn floods_on_both_streams_are_taken_and_forgotten() {
    let world = World::new(&["--flood"], "").await;
    let before = world.victim.pid().await;
    let memory = Memory::watch(&world.service);
    for (stream, what, bytes) in
        [("stderr", "lines", 40_000_000), ("stderr", "line", 100_000_000), ("stdout", "lines", 10_000_000)]
    {
        let arguments = json!({ "stream": stream, "what": what, "bytes": bytes });
        let answer = world.during(world.victim.call("flood", arguments)).await;
        assert_eq!(text_of(&answer), format!("flooded {bytes} bytes"));
    }
    memory.grew_less_than(64);
    let log = world.service.log().len();
    assert!(log < 4 << 20, "the flood went on into our own log: {log} bytes");
    assert_eq!(world.victim.pid().await, before, "none of this is a fault");
    world.counted().await;
    world.end().await;
}
