//! Whoever attacks the service, from in front or from behind: the attack is answered or cut, the service stays well, and the
//! session of another user works all the while and keeps what it has.
//!
//! Each file is a table of attacks. `MCPVISOR_TEST_SLOW` makes floods as large as the machine allows.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

#[path = "abuse/backend.rs"]
mod backend;
#[path = "modern/client.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod client;
#[path = "abuse/filters.rs"]
mod filters;
#[path = "abuse/floods.rs"]
mod floods;
#[path = "abuse/framing.rs"]
mod framing;
#[path = "abuse/heads.rs"]
mod heads;
#[path = "abuse/hosts.rs"]
mod hosts;
#[path = "abuse/json.rs"]
mod json;
#[path = "abuse/paths.rs"]
mod paths;
#[path = "upstream_faults/reply.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod reply;
#[path = "upstream_faults/upstream.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod scripted;
#[path = "abuse/strangers.rs"]
mod strangers;
#[path = "abuse/upstream.rs"]
mod upstream;
#[path = "abuse/wire.rs"]
mod wire;
#[path = "abuse/world.rs"]
mod world;
