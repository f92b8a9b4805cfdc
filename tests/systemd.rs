//! What systemd is told, with the test in its place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "systemd/reload.rs"]
mod reload;

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Ask, Client, Service, backend, eventually, processes_of, soon, text_of};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixDatagram;

/// The socket of systemd.
struct Systemd {
    socket: UnixDatagram,
    /// As `NOTIFY_SOCKET` names it.
    name: String,
    _folder: TempDir,
}

impl Systemd {
    /// A socket that is a file.
    fn at_a_path() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("notify");
        let name = path.to_str().unwrap().to_owned();
        Self::bind(folder, name, &SocketAddr::from_pathname(path).unwrap())
    }

    /// A socket that is none.
    fn abstract_one() -> Self {
        let folder = TempDir::new().unwrap();
        let name = folder.path().to_str().unwrap().to_owned();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self::bind(folder, format!("@{name}"), &address)
    }

    fn bind(folder: TempDir, name: String, address: &SocketAddr) -> Self {
        let socket = std::os::unix::net::UnixDatagram::bind_addr(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket: UnixDatagram::from_std(socket).unwrap(), name, _folder: folder }
    }

    /// A service that is told of this socket, in a world of its own.
    async fn starts(&self, config: &str, settings: &[&str], environment: &[(&str, &str)]) -> Service {
        let environment = [&[("NOTIFY_SOCKET", &*self.name)], environment].concat();
        Service::start_with(TempDir::new().unwrap(), config, settings, &environment).await
    }

    /// The next message, whatever it says.
    async fn next(&self) -> String {
        soon("a message to systemd", self.receive()).await
    }

    /// The next message that is no sign of life.
    async fn news(&self) -> String {
        loop {
            let message = self.next().await;
            if message != ALIVE {
                return message;
            }
        }
    }

    async fn receive(&self) -> String {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).await.unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    fn forget_what_has_come(&self) {
        while self.socket.try_recv(&mut [0; 4096]).is_ok() {}
    }
}

const ALIVE: &str = "WATCHDOG=1";

/// The value of one variable of a message.
fn value<'a>(message: &'a str, name: &str) -> &'a str {
    let found = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {message:?}"))
}

/// A unit that others wait for would be started too early, and they fail; or never, and be killed.
#[tokio::test]
async fn ready_is_said_once_it_serves_over_both_kinds_of_socket() {
    for systemd in [Systemd::at_a_path(), Systemd::abstract_one()] {
        let folder = TempDir::new().unwrap();
        let run_file = folder.path().join("state/run.json");
        let environment = [("NOTIFY_SOCKET", &*systemd.name)];
        let config = backend("a", &[], "");
        let (_service, said) = tokio::join!(Service::start_with(folder, &config, &[], &environment), async {
            let said = systemd.next().await;
            // Not one attempt more: whoever has been told that it is ready makes only one.
            let run: Value = serde_json::from_slice(&fs::read(run_file).unwrap()).unwrap();
            let main = run["listen"].as_str().unwrap();
            assert_eq!(Ask::new("GET", "/readyz").send(main).await.status, 200);
            assert!(value(&said, "STATUS").contains(main), "{said:?}");
            said
        });
        assert_eq!(value(&said, "READY"), "1");
        assert!(value(&said, "STATUS").contains("1 backend"), "{said:?}");
        assert!(!said.contains("WATCHDOG"), "nobody has asked for signs of life: {said:?}");
    }
}

/// systemd would kill a service that is well, or hear from it all the time.
#[tokio::test]
async fn signs_of_life_come_twice_as_often_as_asked_to_the_end_of_the_drain() {
    const INTERVAL: Duration = Duration::from_secs(1);
    let systemd = Systemd::at_a_path();
    let watchdog = [("WATCHDOG_USEC", "1000000")];
    let mut service = systemd.starts(&backend("a", &[], ""), &["gateway.drain_timeout=20s"], &watchdog).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    let mut at = vec![];
    for _ in 0..5 {
        assert_eq!(systemd.next().await, ALIVE);
        at.push(Instant::now());
    }
    let took = at[4] - at[0];
    assert!(took < 4 * INTERVAL && took >= 4 * INTERVAL / 3, "four of them took {took:?}");

    let client = Client::open(&service, "a").await;
    let (answer, ()) = tokio::join!(client.call("sleep", json!({ "ms": 4000 })), async {
        service.in_flight(1).await;
        service.signal(Signal::TERM);
        assert_eq!(value(&systemd.news().await, "STOPPING"), "1");
        for _ in 0..3 {
            assert_eq!(systemd.next().await, ALIVE, "it lives while it drains");
        }
    });
    assert_eq!(text_of(&answer), "slept 4000 ms");
    assert_eq!(service.ended().await.code(), Some(0));
}

/// A service that hangs would never be restarted.
#[tokio::test]
async fn a_service_that_does_nothing_gives_no_sign_of_life() {
    let systemd = Systemd::abstract_one();
    let service = systemd.starts(&backend("a", &[], ""), &[], &[("WATCHDOG_USEC", "500000")]).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    assert_eq!(systemd.next().await, ALIVE);
    service.signal(Signal::STOP);
    let stopped = async || {
        let of_this = processes_of(std::process::id()).into_iter().find(|(pid, _)| *pid == service.pid());
        (of_this?.1 == 'T').then_some(())
    };
    eventually("it is stopped", stopped).await;
    systemd.forget_what_has_come();
    let sign = tokio::time::timeout(Duration::from_secs(2), systemd.receive()).await;
    assert!(sign.is_err(), "{sign:?}");
    service.signal(Signal::CONT);
    assert_eq!(systemd.next().await, ALIVE);
}

/// A sign of life for a program around it would be given in that one's name.
#[tokio::test]
async fn a_watchdog_of_another_process_gets_nothing() {
    let systemd = Systemd::at_a_path();
    let others = [("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")];
    let mut service = systemd.starts(&backend("a", &[], ""), &[], &others).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    let sign = tokio::time::timeout(Duration::from_secs(1), systemd.receive()).await;
    assert!(sign.is_err(), "{sign:?}");
    service.signal(Signal::INT);
    assert_eq!(value(&systemd.next().await, "STOPPING"), "1");
    assert_eq!(service.ended().await.code(), Some(0));
}

/// systemd would cut a long drain off in the middle, and whoever watches a stop see nothing of why it takes so long.
#[tokio::test]
async fn a_drain_says_that_it_begins_and_how_long_it_may_take() {
    let systemd = Systemd::at_a_path();
    let mut service = systemd.starts(&backend("a", &[], ""), &["gateway.drain_timeout=3m"], &[]).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    let client = Client::open(&service, "a").await;
    assert!(client.pid().await > 0);
    service.signal(Signal::TERM);
    let said = systemd.next().await;
    assert_eq!(value(&said, "STOPPING"), "1");
    let time = Duration::from_micros(value(&said, "EXTEND_TIMEOUT_USEC").parse().unwrap());
    assert!(time >= Duration::from_secs(180) && time < Duration::from_secs(200), "{time:?}");
    assert!(value(&said, "STATUS").contains("draining"), "{said:?}");
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

/// `POST /close` would look like a crash that systemd has to repair.
#[tokio::test]
async fn a_close_by_http_is_told_too() {
    let systemd = Systemd::at_a_path();
    let mut service = systemd.starts(&backend("a", &[], ""), &[], &[]).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    assert_eq!(Ask::new("POST", "/close").send(&service.main).await.status, 200);
    assert_eq!(value(&systemd.next().await, "STOPPING"), "1");
    assert_eq!(service.ended().await.code(), Some(0));
}

/// Who stops the unit twice waits for the whole drain, or a unit that was stopped would be restarted.
#[tokio::test]
async fn a_second_signal_ends_it_at_once_with_1() {
    let systemd = Systemd::at_a_path();
    let flags = ["--no-answer", "--ignore-eof", "--ignore-term"];
    let mut service = systemd.starts(&backend("a", &flags, ""), &[], &[]).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    let client = Client::open(&service, "a").await;
    let call = client.message("tools/call", json!({ "name": "silent", "arguments": {} })).to_string();
    let (ask, address) = (client.ask(call), service.main.clone());
    let cut = tokio::spawn(async move { ask.send(&address).await });
    service.in_flight(1).await;
    service.signal(Signal::TERM);
    assert_eq!(value(&systemd.next().await, "STOPPING"), "1");
    let start = Instant::now();
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(3), "it took {:?}", start.elapsed());
    service.nothing_is_left().await;
    cut.abort();
}

/// A mistake around the service would keep it from serving.
#[tokio::test]
async fn what_cannot_be_told_is_a_warning() {
    for (socket, watchdog) in [("/no/such/socket", "100000"), ("nonsense", "1"), ("vsock:2:9", "1")] {
        let environment = [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", watchdog)];
        let folder = TempDir::new().unwrap();
        let mut service = Service::start_with(folder, &backend("a", &[], ""), &[], &environment).await;
        let client = Client::open(&service, "a").await;
        assert_eq!(client.text("echo", json!({ "message": "hi" })).await, "hi");
        let warned = async || {
            let log = service.log();
            let of_it = |line: &&str| line.contains("WARN") && line.contains("NOTIFY_SOCKET");
            log.lines().find(of_it).map(str::to_owned)
        };
        let warning = eventually("it is warned of", warned).await;
        assert!(warning.contains("service.notify_failed"), "{warning}");
        service.signal(Signal::TERM);
        assert_eq!(service.ended().await.code(), Some(0), "{socket}");
    }
}

/// The signs of life would be missing and nobody know why, or the start fail for it.
#[tokio::test]
async fn an_interval_that_is_none_is_a_warning_and_no_reason_to_be_silent() {
    let systemd = Systemd::at_a_path();
    let service = systemd.starts(&backend("a", &[], ""), &[], &[("WATCHDOG_USEC", "soon")]).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    let log = service.log();
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains("WATCHDOG_USEC")), "{log}");
}

/// A server could tell systemd that mcpvisor is ready, or alive, and a leak of it would keep systemd waiting.
#[tokio::test]
async fn neither_servers_nor_the_guard_get_to_know_the_socket() {
    let systemd = Systemd::at_a_path();
    let service =
        systemd.starts(&backend("a", &[], "env_pass = [\"*\"]"), &[], &[("WATCHDOG_USEC", "30000000")]).await;
    let client = Client::open(&service, "a").await;
    let server = client.pid().await;
    let children: Vec<u32> = processes_of(service.pid()).into_iter().map(|(pid, _)| pid).collect();
    assert!(children.contains(&server) && children.len() == 2, "the server and the guard: {children:?}");
    for child in children {
        let environment = fs::read(format!("/proc/{child}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment).replace('\0', " ");
        assert!(
            child != server || environment.contains("RUST_LOG="),
            "everything else passes: {environment}"
        );
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC"] {
            assert!(!environment.contains(name), "{environment}");
        }
    }
}

/// The unit file that we ship would not be read as it was meant.
#[test]
fn the_unit_file_is_understood_by_systemd() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return eprintln!("not run: there is no systemd-analyze");
    }
    let shipped =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/mcpvisor.service")).unwrap();
    let program = "/usr/local/bin/mcpvisor";
    assert!(shipped.contains(&format!("ExecStart={program} serve")));
    let folder = TempDir::new().unwrap();
    let unit: PathBuf = folder.path().join("mcpvisor.service");
    // The program has to be there.
    fs::write(&unit, shipped.replace(program, env!("CARGO_BIN_EXE_mcpvisor"))).unwrap();
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = [verified.stdout, verified.stderr].concat();
    assert!(verified.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
