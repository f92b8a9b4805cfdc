//! Clients of 2026-07-28, who have neither handshake nor session, and backends of either era behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

#[path = "modern/annotations.rs"]
mod annotations;
#[path = "modern/calls.rs"]
mod calls;
#[path = "modern/checks.rs"]
mod checks;
#[path = "modern/client.rs"]
mod client;
#[path = "modern/endings.rs"]
mod endings;
#[path = "modern/ends.rs"]
mod ends;
#[path = "modern/eras.rs"]
mod eras;
#[path = "modern/keys.rs"]
mod keys;
#[path = "modern/limits.rs"]
mod limits;
#[path = "modern/listen.rs"]
mod listen;
#[path = "modern/parking.rs"]
mod parking;
#[path = "modern/states.rs"]
mod states;
#[path = "modern/storm.rs"]
mod storm;
#[path = "modern/upstream.rs"]
mod upstream;

/// A backend that speaks as the clients do, and in the era before too: the built-in demo server.
fn demo(name: &str, settings: &str) -> String {
    let command = env!("CARGO_BIN_EXE_mcpvisor");
    format!("[backends.{name}]\ncommand = {command:?}\nargs = [\"demo-server\"]\n{settings}\n")
}
