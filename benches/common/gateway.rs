//! mcpvisor as its users run it: the release binary, its defaults, logs into a file.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::binaries::Binaries;
use super::processes::{exists, marked, processes_of};
use super::server::Server;

/// Its guard sees the end a moment later.
const TO_BE_GONE: Duration = Duration::from_secs(5);

/// A running mcpvisor.
pub(crate) struct Gateway {
    // Ended before its folder goes.
    server: Server,
    listen: String,
    admin: String,
    instance: String,
    folder: TempDir,
}

/// How it ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ended {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// Processes of its servers, and children of its own, that outlived it.
    pub(crate) left: usize,
}

/// What it says of itself in its state folder.
#[derive(Deserialize)]
struct RunFile {
    listen: String,
    admin_listen: String,
    instance: String,
}

impl Gateway {
    /// Starts it with these `[backends.…]` sections, and with `--set` of each of `settings`.
    pub(crate) async fn start(
        binaries: &Binaries,
        backends: &str,
        settings: &[String],
    ) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let config = folder.path().join("bench.toml");
        let state = folder.path().join("state");
        fs::write(
            &config,
            format!(
                "[gateway]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nstate_dir = {state:?}\n{backends}"
            ),
        )?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new(&binaries.mcpvisor);
        command.arg("serve").arg("--config").arg(&config);
        for setting in settings {
            command.args(["--set", setting]);
        }
        // What the caller's environment says of logging is no default.
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut server = Server::start(&mut command)?;
        let run = announced(&mut server, state.join("run.json")).await.with_context(|| {
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            format!("mcpvisor did not start:\n{log}")
        })?;
        let RunFile { listen, admin_listen: admin, instance } = run;
        Ok(Self { server, listen, admin, instance, folder })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Where this backend is served.
    pub(crate) fn url(&self, backend: &str) -> String {
        format!("http://{}/mcp/{backend}", self.listen)
    }

    /// Host and port of the admin API.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// How many processes carry its mark: servers, and whatever they started.
    pub(crate) fn processes_of_servers(&self) -> usize {
        marked(&self.instance).len()
    }

    /// Asks it to end, waits, and counts what it left.
    pub(crate) fn end(mut self) -> anyhow::Result<Ended> {
        let children = processes_of(self.pid());
        let code = self.server.end()?.code();
        let left = || {
            let still = children.iter().filter(|(pid, _)| exists(*pid));
            still.count() + marked(&self.instance).len()
        };
        let ended = Instant::now();
        while left() > 0 && ended.elapsed() < TO_BE_GONE {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Ended { code, left: left() })
    }

    /// What it logged last.
    pub(crate) fn end_of_log(&self) -> String {
        let log = self.log();
        let from = log.lines().count().saturating_sub(50);
        log.lines().skip(from).map(|line| format!("{line}\n")).collect()
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

async fn announced(server: &mut Server, file: PathBuf) -> anyhow::Result<RunFile> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(run) = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(run);
        }
        ensure!(server.child().try_wait()?.is_none(), "it ended at once");
        ensure!(Instant::now() < until, "no run.json within 10 s");
        sleep(Duration::from_millis(5)).await;
    }
}
