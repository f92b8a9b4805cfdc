//! Configuration as a user meets it: files in, settings or problems out. Each test has its own environment.
#![allow(missing_docs)]

mod access;
mod checks;
mod containment;
mod credentials;
mod defaults;
mod difference;
mod examples;
mod expansion;
mod imports;
mod layering;
mod mistakes;
mod redaction;
mod support;
mod tokens;
