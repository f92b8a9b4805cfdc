//! What `/metrics` promises: the table in the code, from zero, with values that tell what happened.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "metrics/children.rs"]
mod children;
#[path = "common/all.rs"]
mod common;
#[path = "metrics/documents.rs"]
mod documents;
#[path = "metrics/table.rs"]
mod table;
#[path = "metrics/values.rs"]
mod values;
