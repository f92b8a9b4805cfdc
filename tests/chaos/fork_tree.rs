//! Servers that start programs that start programs: some leave the group, some daemonise, all hold the server's pipes.

use serde_json::json;

use crate::common::{eventually, kill_9, marked};
use crate::world::{PROMPT, World};

/// A server, and the thirteen of its tree that stay.
const FAMILY: usize = 14;

/// A browser, or what a build has started, would stay for every crash and every session.
#[tokio::test]
async fn a_tree_of_processes_ends_with_its_server_and_hides_no_death() {
    let world = World::new(&["--fork-tree", "3", "--ignore-term", "--ignore-eof"], "").await;
    // The stranger has a server without one.
    let grown = async |families: usize| {
        let wanted = families * FAMILY + 1;
        let all = async || (marked(&world.service.instance).len() == wanted).then_some(());
        eventually("the trees have grown, and nothing else is there", all).await;
    };
    grown(2).await;
    for _ in 0..3 {
        let before = world.victim.pid().await;
        let in_the_call = async || kill_9(before);
        let call = world.call_and("sleep", json!({ "ms": 60_000 }), in_the_call);
        let (answer, waited) = world.during(call).await;
        assert!(waited < PROMPT, "told only after {waited:?}");
        world.lost(&answer, "signal");
        world.goes_on_without(before).await;
        grown(2).await;
    }
    world.end().await;
}
