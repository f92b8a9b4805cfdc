//! A server with a `sandbox` is kept from what it says, watched and ended as any other; what cannot be had is refused at the start.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use common::{Client, Service, Upstream, backend, eventually, kill_9, marked};
use serde_json::json;
use tempfile::TempDir;

const STUBBORN: &[&str] = &["--ignore-eof", "--ignore-term", "--grandchild", "--grandchild-setsid"];

fn check(config: &str) -> Output {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mcpvisor.toml");
    fs::write(&file, config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_mcpvisor")).arg("check").arg("-c").arg(&file).output().unwrap()
}

/// The soft and the hard limit, as the kernel tells them.
fn limit(pid: u32, name: &str) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let mut values = line.split_whitespace().map(str::to_owned);
    (values.next().unwrap(), values.next().unwrap())
}

fn status(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}

/// A server could use up the machine, however it was configured.
#[tokio::test]
async fn limits_hold_in_the_server_and_not_beside_it() {
    let limits =
        "sandbox = { memory = \"1GiB\", files = 64, processes = 4000, cpu_time = \"1h\", nice = 5 }\n";
    let service = Service::start(&(backend("bound", &[], limits) + &backend("free", &[], ""))).await;
    let (bound, free) = (Client::open(&service, "bound").await, Client::open(&service, "free").await);
    let (pid, other) = (bound.pid().await, free.pid().await);
    let both = |value: &str| (value.to_owned(), value.to_owned());
    assert_eq!(limit(pid, "Max data size"), both("1073741824"));
    assert_eq!(limit(pid, "Max open files"), both("64"));
    assert_eq!(limit(pid, "Max processes"), both("4000"));
    assert_eq!(limit(pid, "Max cpu time").0, "3600");
    assert_eq!(limit(pid, "Max core file size"), both("0"));
    assert_eq!((status(pid, "NoNewPrivs:"), status(other, "NoNewPrivs:")), ("1".to_owned(), "0".to_owned()));
    assert_eq!(limit(other, "Max data size"), both("unlimited"));
}

/// The promises of supervision would hold for everybody but those who need them most.
#[tokio::test]
async fn a_confined_server_is_restarted_and_ended_as_any_other() {
    let sandbox = "sandbox = { network = \"no_tcp\", read_write = [\"/\"] }\ntimeouts.stdin_grace = \"100ms\"\ntimeouts.term_grace = \"100ms\"\n";
    let mut service = Service::start(&backend("a", &[STUBBORN, &["--crash-tool"]].concat(), sandbox)).await;
    let client = Client::open(&service, "a").await;
    let first = client.pid().await;
    let answer = client.call("crash", json!({ "code": 7 })).await;
    assert_eq!(answer["error"]["data"]["exit_code"], 7, "{answer}");
    let second = client.pid().await;
    assert_ne!(first, second);
    assert_eq!(marked(&service.instance).len(), 3, "it and its grandchildren");
    kill_9(service.pid());
    service.ended().await;
    service.nothing_is_left().await;
}

/// A server that is to see one folder would see the keys of everybody.
#[tokio::test]
async fn a_server_sees_what_it_was_given_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&inside).unwrap();
    // A "server" that says what it could do and ends: what it says is in the log.
    let script = format!(
        "echo x >{0}/written && echo wrote-inside >&2; (echo x >{1}) 2>/dev/null || echo kept-outside >&2; echo x >/etc/x 2>/dev/null || echo kept-etc >&2",
        inside.display(),
        outside.display()
    );
    let config = format!(
        "[backends.a]\ncommand = \"/bin/sh\"\nargs = [\"-c\", {script:?}]\nsandbox.read_only = [\"/usr\", \"/bin\", \"/lib\", \"/lib64\", \"/etc\"]\nsandbox.read_write = [{:?}, \"/dev/null\"]\n",
        inside.to_str().unwrap()
    );
    let service = Service::start(&config).await;
    let _ = Client::try_open(&service, "a").await;
    eventually("it says what it could do", async || {
        let log = service.log();
        ["wrote-inside", "kept-outside", "kept-etc"].iter().all(|word| log.contains(word)).then_some(())
    })
    .await;
    assert!(!outside.exists() && inside.join("written").exists());
}

/// A server that needs no network could send away what it reads.
#[tokio::test]
async fn a_network_is_kept_from_a_server() {
    let upstream = Upstream::start().await;
    let program = env!("CARGO_BIN_EXE_mcpvisor");
    // A "server" that only tries to connect: what it says of it is in the log.
    let tries = |name: &str, network: &str| {
        let url = &upstream.url;
        format!(
            "[backends.{name}]\ncommand = {program:?}\nargs = [\"tools\", {url:?}]\nsandbox.network = \"{network}\"\n"
        )
    };
    let none = backend("none", &[], "sandbox.network = \"none\"\n");
    let config =
        tries("reaches", "open") + &tries("has_no_tcp", "no_tcp") + &tries("is_alone", "none") + &none;
    let service = Service::start(&config).await;
    for name in ["has_no_tcp", "is_alone"] {
        let _ = Client::try_open(&service, name).await;
    }
    assert_eq!(upstream.sessions(), 0, "nobody got through");
    let _ = Client::try_open(&service, "reaches").await;
    assert!(upstream.sessions() > 0, "but without a sandbox");
    let client = Client::open(&service, "none").await;
    let network = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_ne!(network(client.pid().await), network(service.pid()));
}

/// A server that runs as another user would be left behind, since only its group and its marker tell of it.
#[tokio::test]
async fn a_server_of_another_user_is_ended_as_any_other() {
    if !rustix::process::geteuid().is_root() {
        let checked = check("[backends.a]\ncommand = \"true\"\nsandbox.user = \"nobody\"\n");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.code() == Some(64) && said.contains("only root"), "{said}");
        return;
    }
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Where the fixture was built, nobody may look.
    let program = folder.path().join("server");
    fs::copy(common::fixture(), &program).unwrap();
    let config = backend("a", &[STUBBORN, &["--crash-tool"]].concat(), "sandbox.user = \"nobody\"\n");
    let config = config.replace(common::fixture().to_str().unwrap(), program.to_str().unwrap());
    let mut service = Service::start_in(folder, &config, &[]).await;
    let client = Client::open(&service, "a").await;
    let nobody = ["65534"; 4].join("\t");
    assert_eq!(status(client.pid().await, "Uid:"), nobody);
    assert_eq!(status(client.pid().await, "Gid:").split('\t').next(), Some("65534"));
    assert_eq!(client.text("env", json!({ "name": "USER" })).await, "nobody");
    // Every process of the first incarnation is gone before the second is there.
    client.call("crash", json!({ "signal": 11 })).await;
    let second = client.pid().await;
    assert_eq!(marked(&service.instance).len(), 3, "it and its grandchildren");
    assert_eq!(status(second, "Uid:"), nobody);
    kill_9(service.pid());
    service.ended().await;
    service.nothing_is_left().await;
}

/// Whoever set a limit too low would see a server that dies, and not why.
#[tokio::test]
async fn the_limit_that_ended_a_server_is_named() {
    let spins = "[backends.spins]\ncommand = \"/bin/sh\"\nargs = [\"-c\", \"while :; do :; done\"]\nsandbox.cpu_time = \"1s\"\n";
    let swells = backend("swells", &[], "sandbox.memory = \"64MiB\"\n");
    let service = Service::start(&(spins.to_owned() + &swells)).await;
    let client = Client::open(&service, "swells").await;
    let answer = client.call("big", json!({ "bytes": 1_u64 << 30 })).await;
    assert_eq!(answer["error"]["data"]["signal"], 6, "{answer}");
    let Err((_, answer)) = Client::try_open(&service, "spins").await else { panic!("it cannot serve") };
    assert!(answer.to_string().contains("SIGXCPU"), "{answer}");
    eventually("the log names both limits", async || {
        let log = service.log();
        (log.contains("(sandbox.memory)") && log.contains("(sandbox.cpu_time)")).then_some(())
    })
    .await;
    assert!(client.text("echo", json!({ "message": "hi" })).await.contains("hi"), "it is restarted");
}

/// Whoever forgot the program itself would look for what is wrong with it.
#[tokio::test]
async fn a_program_that_it_may_not_run_is_named() {
    let config = backend("a", &[], "sandbox.read_only = [\"/etc\"]\n");
    let service = Service::start(&config).await;
    let Err((_, answer)) = Client::try_open(&service, "a").await else { panic!("it cannot run") };
    assert!(answer.to_string().contains("sandbox.read_only"), "{answer}");
}

/// A server would run with all rights because of a typing error.
#[test]
fn what_cannot_be_had_is_refused_at_the_start_with_its_key() {
    for (sandbox, key) in [
        ("read_only = [\"/no/such/folder\"]", "backends.a.sandbox.read_only[0]"),
        ("user = \"nobody-knows\"", "backends.a.sandbox.user"),
        ("nice = 77", "backends.a.sandbox.nice"),
        ("read_only = [\"usr\"]", "backends.a.sandbox.read_only[0]"),
        ("network = \"closed\"", "backends.a.sandbox.network"),
    ] {
        let checked = check(&format!("[backends.a]\ncommand = \"true\"\nsandbox = {{ {sandbox} }}\n"));
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert_eq!(checked.status.code(), Some(64), "{sandbox}: {said}");
        assert!(said.contains(key), "{sandbox}: {said}");
    }
}
