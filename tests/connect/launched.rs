//! The command as its client holds it: lines in, lines out.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use crate::common::{Client, PATIENCE, Service, eventually, signal};

/// One that runs.
pub struct Launched {
    child: Child,
    stdin: Option<pipe::Sender>,
    stdout: Lines<BufReader<pipe::Receiver>>,
}

impl Launched {
    /// Bridged to a backend of this service.
    pub fn to(service: &Service, backend: &str) -> Self {
        let state = service.path("state");
        Self::with(&[backend, "--state-dir", state.to_str().unwrap()], &[])
    }

    /// With these arguments and variables.
    pub fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpvisor"));
        command.arg("connect").args(arguments).envs(environment.iter().copied()).env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = pipe::Sender::from_owned_fd(OwnedFd::from(child.stdin.take().unwrap())).unwrap();
        let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(child.stdout.take().unwrap())).unwrap();
        Self { stdin: Some(stdin), stdout: BufReader::new(stdout).lines(), child }
    }

    /// A session whose handshake is complete.
    pub async fn opened(service: &Service, backend: &str, capabilities: Value) -> Self {
        let mut launched = Self::to(service, backend);
        launched.handshake(capabilities).await;
        launched
    }

    pub async fn handshake(&mut self, capabilities: Value) {
        self.say(&Client::initialize("2025-11-25", capabilities)).await;
        assert!(self.answer(0).await["result"]["serverInfo"].is_object());
        self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    /// Writes a line.
    pub async fn line(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
    }

    pub async fn say(&mut self, message: &Value) {
        self.line(&message.to_string()).await;
    }

    pub async fn call(&mut self, id: u64, tool: &str, arguments: Value) {
        let params = json!({ "name": tool, "arguments": arguments });
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })).await;
    }

    /// The next line, as it came.
    pub async fn next_line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.stdout.next_line()).await.expect("a line in time").unwrap()
    }

    /// A line, if one comes within that time.
    pub async fn line_within(&mut self, time: Duration) -> Option<String> {
        timeout(time, self.stdout.next_line()).await.ok().and_then(|line| line.unwrap())
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        let line = self.next_line().await.expect("a message, not the end");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next message that is so; what comes before it does not matter.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    /// The answer to the request of that id.
    pub async fn answer(&mut self, id: u64) -> Value {
        self.until(|message| message["id"] == id && message["method"].is_null()).await
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub fn signal(&self, which: Signal) {
        signal(self.child.id(), which);
    }

    pub async fn ended(&mut self) -> ExitStatus {
        eventually("it ends", async || self.child.try_wait().unwrap()).await
    }

    /// What it said on standard error, once it has ended.
    pub async fn complaints(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
