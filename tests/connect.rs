//! `mcpvisor connect`, as a client uses it that only launches commands.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "connect/ends.rs"]
mod ends;
#[path = "connect/launched.rs"]
mod launched;
#[path = "connect/modern.rs"]
mod modern;
#[path = "connect/restarts.rs"]
mod restarts;
#[path = "connect/sessions.rs"]
mod sessions;
