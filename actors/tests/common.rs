//! What the tests of the public API share: a configuration around the misbehaving fixture.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mcpvisor_actors::{
    CancellationToken, Config, ConnectionHandle, ConnectionMetadata, Launcher, OpenTransport, Refusal,
};
use mcpvisor_config::{LoadRequest, Source, load};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// The fixture's binary, built once.
pub fn fixture() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = BUILT.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let built = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "-p",
                "mcpvisor-fixture",
                "--message-format",
                "json-render-diagnostics",
            ])
            .output()
            .expect("cargo runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let lines = String::from_utf8(built.stdout).unwrap();
        let paths = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let executable = paths.filter_map(|line| line["executable"].as_str().map(PathBuf::from)).next_back();
        executable.expect("the fixture has a binary")
    });
    path.clone()
}

/// A backend of the misbehaving fixture with these flags; `settings` are lines of its TOML section.
pub fn backend(name: &str, flags: &[&str], settings: &str) -> String {
    let args: Vec<String> = ["misbehave"].iter().chain(flags).map(|arg| format!("{arg:?}")).collect();
    format!(
        "[backends.{name}]\ncommand = {:?}\nargs = [{}]\n{settings}\n",
        fixture().to_str().unwrap(),
        args.join(", ")
    )
}

pub fn config(text: &str) -> Config {
    let file = Source::Text { name: "test.toml".into(), text: text.to_owned() };
    load(LoadRequest { files: vec![file], ..LoadRequest::default() })
        .unwrap_or_else(|errors| panic!("{errors}"))
        .config
}

pub async fn launcher(text: &str) -> Launcher {
    Launcher::new(config(text), CancellationToken::new()).await.unwrap()
}

/// Calls a tool and gives its text.
pub async fn call(connection: &ConnectionHandle, tool: &str, arguments: Value) -> Result<String, Refusal> {
    let params = serde_json::json!({ "name": tool, "arguments": arguments });
    let answer = connection.request("tools/call", &params).await?;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let text = answer["result"]["content"][0]["text"].as_str();
    Ok(text.map_or_else(|| answer.to_string(), str::to_owned))
}

/// The pid of the child behind a connection, as the fixture tells it.
pub async fn pid(connection: &ConnectionHandle) -> u32 {
    let text = call(connection, "pid", serde_json::json!({})).await.unwrap();
    let digits: String =
        text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("a pid in {text:?}"))
}

/// Whether the process is there, a zombie included.
pub fn exists(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

pub fn kill_9(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Waits until `check` is true; the bound is generous, the polling short.
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !check().await {
        assert!(start.elapsed() < Duration::from_secs(20), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub async fn only(launcher: &Launcher) -> ConnectionMetadata {
    let mut list = launcher.list().await;
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

/// An in-process server on a duplex: answers initialize and echoes the params of everything else.
pub fn in_process() -> OpenTransport {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(theirs));
    let (reader, writer) = tokio::io::split(ours);
    OpenTransport::new(reader, writer)
}

async fn serve(stream: DuplexStream) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).unwrap();
        let Some(id) = message.get("id") else { continue };
        let result = match message["method"].as_str() {
            Some("initialize") => {
                json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "d", "version": "1"}})
            }
            Some("end") => return,
            _ => message["params"].clone(),
        };
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
        writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    }
}

/// The incarnation that a live process belongs to, by the marker in its environment.
pub fn incarnation_of(pid: i32, instance: &str) -> Option<u64> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let marker = format!("MCPVISOR_CHILD={instance}:");
    let value = environment.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(marker.as_bytes()))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The live processes of an instance, each with its incarnation.
pub fn processes(instance: &str) -> Vec<(i32, u64)> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, incarnation_of(pid, instance)?))).collect()
}
