//! Functions that take any bytes, give them to what reads the words of strangers, and panic where that breaks a promise.
//!
//! `fuzz_targets/` gives each to cargo-fuzz, `tests/stable.rs` feeds them on a stable compiler.

pub mod config;
pub mod envelope;
pub mod headers;
pub mod state;
pub mod streams;

/// A target by its name.
pub const TARGETS: [(&str, fn(&[u8])); 5] = [
    ("config", config::check),
    ("envelope", envelope::check),
    ("headers", headers::check),
    ("state", state::check),
    ("streams", streams::check),
];
