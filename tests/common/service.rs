//! A running `mcpvisor serve` with its own folder and its own ports.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::exposition::Page;
use super::http::{Ask, Reply};
use super::{PATIENCE, eventually, processes};

/// The service; killed if the test forgets it, and its log shown if the test fails.
pub struct Service {
    child: Child,
    folder: TempDir,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    /// A command that ends by running what follows it; empty for none.
    within: Vec<String>,
    /// `host:port` of the MCP endpoints.
    pub main: String,
    /// `host:port` of the admin listener.
    pub admin: String,
    /// The mark of its children.
    pub instance: String,
}

impl Service {
    /// Starts it with this configuration and waits until it is ready.
    pub async fn start(config: &str) -> Self {
        Self::start_in(TempDir::new().unwrap(), config, &[]).await
    }

    /// The same in a folder that the test has prepared, with `--set` of each of these.
    pub async fn start_in(folder: TempDir, config: &str, settings: &[&str]) -> Self {
        Self::start_with(folder, config, settings, &[]).await
    }

    /// The same with these variables in its environment.
    pub async fn start_with(
        folder: TempDir,
        config: &str,
        settings: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut service = Self::spawned(folder, config, settings, environment, &[]);
        service.wait_until_ready().await;
        service
    }

    /// The same started by a shell that first does what the script says.
    pub async fn start_after(script: &str, config: &str, settings: &[&str]) -> Self {
        let script = format!("{script}\nexec \"$@\"");
        let mut service =
            Self::spawned(TempDir::new().unwrap(), config, settings, &[], &["sh", "-c", &script, "sh"]);
        service.wait_until_ready().await;
        service
    }

    /// The same for one that cannot be asked in plain HTTP whether it is ready: it listens.
    pub async fn start_unasked(config: &str) -> Self {
        let mut service = Self::spawned(TempDir::new().unwrap(), config, &[], &[], &[]);
        service.wait_until_it_listens().await;
        service
    }

    /// The same for one that cannot write its state, so that only what it prints tells where it is. `within` is a command
    /// that ends by running what follows it. Its instance is not known.
    pub async fn start_without_state(
        folder: TempDir,
        config: &str,
        settings: &[&str],
        within: &[&str],
    ) -> Self {
        let mut service = Self::spawned(folder, config, settings, &[], within);
        let printed = eventually("the service says where it is", async || {
            assert_eq!(service.child.try_wait().unwrap(), None, "it did not start:\n{}", service.log());
            let out = fs::read_to_string(service.path("out")).unwrap();
            let address = |what: &str| {
                let line = out.lines().find_map(|line| line.trim_start().strip_prefix(what))?;
                line.trim_start().strip_prefix("http://")?.split('/').next().map(str::to_owned)
            };
            Some((address("serving ")?, address("admin ")?))
        });
        (service.main, service.admin) = printed.await;
        service.wait_for_200().await;
        service
    }

    fn spawned(
        folder: TempDir,
        config: &str,
        settings: &[&str],
        environment: &[(&str, &str)],
        within: &[&str],
    ) -> Self {
        fs::write(folder.path().join("mcpvisor.toml"), config).unwrap();
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let (settings, within) = (owned(settings), owned(within));
        let environment: Vec<(String, String)> =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let child = spawn(folder.path(), &settings, &environment, &within);
        let (main, admin, instance) = Default::default();
        Self { child, folder, settings, environment, within, main, admin, instance }
    }

    /// Starts it once more, after its end, with the same state.
    pub async fn start_again(&mut self) {
        self.ended().await;
        // What a killed one has left there would be taken for that of the new one.
        let _ = fs::remove_file(self.run_file());
        self.child = spawn(self.folder.path(), &self.settings, &self.environment, &self.within);
        self.wait_until_ready().await;
    }

    fn run_file(&self) -> PathBuf {
        self.path("state").join("run.json")
    }

    async fn wait_until_ready(&mut self) {
        self.wait_until_it_listens().await;
        self.wait_for_200().await;
    }

    async fn wait_until_it_listens(&mut self) {
        let run_file = self.run_file();
        let run = eventually("the service writes run.json", async || {
            assert_eq!(self.child.try_wait().unwrap(), None, "it did not start:\n{}", self.log());
            serde_json::from_slice::<Value>(&fs::read(&run_file).ok()?).ok()
        });
        let run = run.await;
        let text = |key: &str| run[key].as_str().unwrap().to_owned();
        (self.main, self.admin, self.instance) = (text("listen"), text("admin_listen"), text("instance"));
    }

    async fn wait_for_200(&self) {
        let ready = async || (self.get("/readyz").await.status == 200).then_some(());
        eventually("the service is ready", ready).await;
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// GET on the main listener.
    pub async fn get(&self, path: &str) -> Reply {
        Ask::new("GET", path).send(&self.main).await
    }

    /// `/metrics`
    pub async fn metrics(&self) -> String {
        Ask::new("GET", "/metrics").send(&self.admin).await.text().await
    }

    /// The same, taken apart.
    pub async fn page(&self) -> Page {
        Page::parse(&self.metrics().await)
    }

    /// The value of one series, as `/metrics` writes it. What is not there is a failure: everything is
    /// exported from zero.
    pub async fn metric(&self, series: &str) -> f64 {
        let page = self.metrics().await;
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in:\n{page}")).parse().unwrap()
    }

    /// Gives it another file and has it read, which must be taken; the answer.
    pub async fn reload(&self, config: &str) -> Value {
        fs::write(self.path("mcpvisor.toml"), config).unwrap();
        let reply = Ask::new("POST", "/api/v1/reload").send(&self.admin).await;
        let (status, report) = (reply.status, reply.json().await);
        assert_eq!((status, &report["result"]), (200, &"ok".into()), "{report}");
        report
    }

    /// `/api/v1/connections`
    pub async fn connections(&self) -> Vec<Value> {
        let view = Ask::new("GET", "/api/v1/connections").send(&self.admin).await.json().await;
        view["connections"].as_array().unwrap().clone()
    }

    /// Waits until that many requests are with backends.
    pub async fn in_flight(&self, wanted: u64) {
        let reached = async || {
            let connections = self.connections().await;
            let count = |one: &Value| one["in_flight"].as_u64().unwrap();
            (connections.iter().map(count).sum::<u64>() == wanted).then_some(())
        };
        eventually("the requests are in flight", reached).await;
    }

    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the service ends", async || self.child.try_wait().unwrap()).await
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Whether nothing of its servers is left, waiting for it within bounds.
    pub async fn nothing_is_left(&self) {
        let start = Instant::now();
        loop {
            let left = processes::marked(&self.instance);
            if left.is_empty() {
                return;
            }
            let what = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let names: Vec<String> = left.iter().map(|pid| what(pid).replace('\0', " ")).collect();
            assert!(start.elapsed() < PATIENCE, "left behind: {left:?} {names:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its guard does this too; but what a test of the guard leaves when it fails must not stay.
        processes::marked(&self.instance).into_iter().for_each(processes::end);
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(150);
            eprintln!("--- the end of its log ---");
            log.lines().skip(from).for_each(|line| eprintln!("{line}"));
        }
    }
}

fn spawn(path: &Path, settings: &[String], environment: &[(String, String)], within: &[String]) -> Child {
    let words = within.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_mcpvisor")]);
    let words: Vec<&str> = words.collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command.args(["serve", "--config", "mcpvisor.toml"]);
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--set", &format!("gateway.state_dir={}", path.join("state").display())]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
        command.env(variable, path);
    }
    let log = OpenOptions::new().create(true).append(true).open(path.join("log")).unwrap();
    command.env("RUST_LOG", "info,mcpvisor=debug,mcpvisor_actors=debug").env("NO_COLOR", "1");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let out = fs::File::create(path.join("out")).unwrap();
    command.current_dir(path).stdin(Stdio::null()).stdout(out).stderr(log);
    command.spawn().unwrap()
}
