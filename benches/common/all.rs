//! What the benches share: the programs under measurement, a client as cheap as it gets, and what is made of times.

#![allow(dead_code, reason = "no bench uses all of it")]

pub(crate) mod binaries;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod message;
mod response;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod spread;
