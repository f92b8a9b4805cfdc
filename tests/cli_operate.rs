//! The commands that operate a running service, as people and scripts use them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

#[path = "cli/events.rs"]
mod events;
#[path = "cli/followed.rs"]
mod followed;
#[path = "cli/logs.rs"]
mod logs;
#[path = "cli/mistakes.rs"]
mod mistakes;
#[path = "cli/orders.rs"]
mod orders;
#[path = "cli/screen.rs"]
mod screen;
#[path = "cli/terminal.rs"]
mod terminal;

use std::process::{Command, Output, Stdio};

use common::{Client, Service, eventually, fixture, kill_9};
use serde_json::{Value, json};

/// `mcpvisor` with these arguments, and nothing of the environment that the service is started in.
fn mcpvisor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcpvisor"));
    command.args(arguments).stdin(Stdio::null()).env("XDG_RUNTIME_DIR", "/nowhere");
    command.env("TMPDIR", "/nowhere").env_remove("RUST_LOG").env_remove("NO_COLOR");
    command.env_remove("MCPVISOR_ADMIN_KEY");
    command
}

/// The same about this service.
fn about(service: &Service, arguments: &[&str]) -> Command {
    let mut command = mcpvisor(arguments);
    command.args(["--admin", &service.admin]);
    command
}

/// Runs it to its end, which must be a good one; what it prints.
fn said(service: &Service, arguments: &[&str]) -> String {
    let output = about(service, arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
    out(&output)
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A backend that says a word on standard error before it serves.
fn complaining(name: &str) -> String {
    let script = format!("echo {name} starts >&2; exec {} misbehave --flood", fixture().display());
    format!("[backends.{name}]\ncommand = \"sh\"\nargs = [\"-c\", {script:?}]\n")
}

/// Lets the server of a session write a line of so many bytes to standard error.
async fn complain(client: &Client) {
    client.text("flood", json!({ "stream": "stderr", "what": "lines", "bytes": 50 })).await;
}

/// Kills the server of a session; the process that takes its place. A call that meets the death is lost with it.
async fn replaced(client: &Client) -> u32 {
    let before = client.pid().await;
    kill_9(before);
    let next = async || {
        let answer = client.call("pid", json!({})).await;
        let known: Value = serde_json::from_str(answer["result"]["content"][0]["text"].as_str()?).ok()?;
        known["pid"].as_u64().filter(|pid| *pid != u64::from(before))?.try_into().ok()
    };
    eventually("another takes its place", next).await
}

/// The hash of the session whose server this is.
async fn session_of(service: &Service, client: &Client) -> String {
    let pid = client.pid().await;
    let connections = service.connections().await;
    let own = connections.iter().find(|one| one["pid"] == json!(pid)).unwrap();
    own["session"].as_str().unwrap().to_owned()
}
