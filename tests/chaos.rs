//! Chaos: whatever a server, a client or the machine does, a user sees what was promised and nobody else notices.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "chaos/world.rs"]
mod world;

#[path = "chaos/closed_pipes.rs"]
mod closed_pipes;
#[path = "chaos/crash_loop.rs"]
mod crash_loop;
#[path = "chaos/descriptors.rs"]
mod descriptors;
#[path = "chaos/exec_failure.rs"]
mod exec_failure;
#[path = "chaos/floods.rs"]
mod floods;
#[path = "chaos/fork_tree.rs"]
mod fork_tree;
#[path = "chaos/full_disk.rs"]
mod full_disk;
#[path = "chaos/kill.rs"]
mod kill;
#[path = "chaos/lines.rs"]
mod lines;
#[path = "chaos/slow_reader.rs"]
mod slow_reader;
#[path = "chaos/stop.rs"]
mod stop;
