//! A running `mcpvisor serve` in a world of its own: own folders, own ports, own environment.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

/// Nothing here takes longer on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// An empty home, temporary and runtime folder.
pub struct World {
    folder: TempDir,
}

/// The service; killed if the test forgets it.
pub struct Service {
    child: Child,
    /// Everything it has printed up to the line that ends the start-up text.
    pub said: String,
    /// `host:port` of the MCP endpoints.
    pub main: String,
    /// `host:port` of the admin listener.
    pub admin: String,
}

impl World {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `mcpvisor` with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpvisor"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "TMPDIR"] {
            command.env(variable, self.path());
        }
        command.env("NO_COLOR", "1").env_remove("RUST_LOG");
        command
    }

    /// What services of this world have logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    fn log(&self) -> File {
        File::options().create(true).append(true).open(self.path().join("log")).unwrap()
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the service on free ports.
    pub fn serve(&self, arguments: &[&str]) -> Service {
        self.serve_with(arguments, &[], "")
    }

    /// The same, with variables in its environment and a text on its standard input.
    pub fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Service {
        let ports = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let mut command = self.command(&[&ports, arguments].concat());
        command
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(self.log());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let (lines, heard) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });

        let mut service = Service { child, said: String::new(), main: String::new(), admin: String::new() };
        while service.main.is_empty() || service.admin.is_empty() {
            let line = heard
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("the service does not start: {}", self.logged()));
            let address =
                line.split_once("http://").map(|(_, rest)| rest.split('/').next().unwrap().to_owned());
            match line.trim_start() {
                text if text.starts_with("serving ") => service.main = address.unwrap(),
                text if text.starts_with("admin ") => service.admin = address.unwrap(),
                _ => {}
            }
            service.said += &format!("{line}\n");
        }
        let settled = Duration::from_millis(200);
        while let Ok(line) = heard.recv_timeout(settled) {
            service.said += &format!("{line}\n");
        }
        service
    }
}

impl Service {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn endpoint(&self, backend: &str) -> String {
        format!("http://{}/mcp/{backend}", self.main)
    }

    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        let from = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(from.elapsed() < PATIENCE, "the service does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `/metrics`
    pub fn metrics(&self) -> String {
        http(&self.admin, "GET", "/metrics").1
    }

    /// The connections, as the admin API tells them.
    pub fn connections(&self) -> Vec<serde_json::Value> {
        let (_, body) = http(&self.admin, "GET", "/api/v1/connections");
        let view: serde_json::Value = serde_json::from_str(&body).unwrap();
        view["connections"].as_array().unwrap().clone()
    }

    /// The processes of the connections it has, once there are some.
    pub fn children(&self) -> Vec<u32> {
        let pid = |found: serde_json::Value| u32::try_from(found["pid"].as_u64()?).ok();
        let pids = || self.connections().into_iter().filter_map(pid).collect::<Vec<_>>();
        eventually("a child runs", || Some(pids()).filter(|pids| !pids.is_empty()))
    }

    /// Waits until a `mcpvisor call` has listed the tools and its call is in flight.
    pub fn is_calling(&self) {
        let calling = |found: &serde_json::Value| found["request_count"] == 2 && found["in_flight"] == 1;
        eventually("the call is in flight", || self.connections().iter().any(calling).then_some(()));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status and the body of one request.
pub fn http(address: &str, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Waits for `found`.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let from = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(from.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process of that id exists, a zombie included.
pub fn exists(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap()).is_ok()
}
