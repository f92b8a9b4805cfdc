//! What the benches share: the programs under measurement, a client as cheap as it gets, and what is made of times.

#![allow(dead_code, reason = "no bench uses all of it")]

pub(crate) mod binaries;
#[path = "../../tests/common/dice.rs"]
pub(crate) mod dice;
#[path = "../../tests/common/footprint.rs"]
pub(crate) mod footprint;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod pace;
#[path = "../../tests/common/processes.rs"]
#[allow(clippy::unwrap_used, reason = "it is of the tests")]
pub(crate) mod processes;
mod response;
pub(crate) mod served;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod spread;
pub(crate) mod tool;
