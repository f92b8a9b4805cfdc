//! A server in a container is talked to, watched and ended as any other, although its process is nobody's child here. The engine is
//! a stand-in (`containers/docker`): a real one was not run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::{Client, Service, end, eventually, fixture, kill_9, processes_of};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

const ENGINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/containers");
/// A server that has to be killed, and does not take long about it.
const STUBBORN: &str = "args = [\"misbehave\", \"--ignore-eof\", \"--ignore-term\"]\ntimeouts.stdin_grace = \"100ms\"\ntimeouts.term_grace = \"500ms\"\n";

/// What the stand-in knows; its containers do not outlive the test, even if it fails.
struct Engine(TempDir);

impl Engine {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    async fn serve(&self, config: &str) -> Service {
        let path = format!("{ENGINES}:{}", std::env::var("PATH").unwrap());
        let (store, program) = (self.0.path().to_str().unwrap(), fixture());
        let environment = [
            ("PATH", path.as_str()),
            ("DOCKER_STAND_IN", store),
            ("DOCKER_FIXTURE", program.to_str().unwrap()),
        ];
        Service::start_with(TempDir::new().unwrap(), config, &[], &environment).await
    }

    /// Name and process of each container.
    fn containers(&self) -> Vec<(String, u32)> {
        let files = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        let records = files.filter(|file: &PathBuf| file.extension().is_some_and(|end| end == "container"));
        let texts = records.filter_map(|file| fs::read_to_string(file).ok());
        let value =
            |text: &str, key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        texts.filter_map(|text| Some((value(&text, "name=")?, value(&text, "pid=")?.parse().ok()?))).collect()
    }

    /// How it was called, one line each.
    fn calls(&self) -> String {
        fs::read_to_string(self.0.path().join("calls")).unwrap_or_default()
    }

    /// Waits until the only container is another one.
    async fn another_than(&self, name: &str) -> (String, u32) {
        let other = async || match &self.containers()[..] {
            [other] if other.0 != name => Some(other.clone()),
            _ => None,
        };
        eventually("there is another container, and no other", other).await
    }

    async fn none_is_left(&self) {
        eventually("no container is left", async || self.containers().is_empty().then_some(())).await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.containers().into_iter().for_each(|(_, pid)| end(pid));
    }
}

/// Whether it runs; what is dead may wait long for somebody to look.
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn container(settings: &str) -> String {
    format!("[backends.a]\ncontainer = \"example/server:1\"\n{settings}\n")
}

/// A container could not be used at all, or everybody on the machine could read its secrets.
#[tokio::test]
async fn a_container_is_served_and_its_secrets_stand_in_no_list_of_processes() {
    let engine = Engine::new();
    let settings = "args = [\"misbehave\"]\nenv = { TOKEN = \"of-this-backend\", HOME = \"/nowhere\" }\nsandbox.memory = \"1GiB\"\n";
    let service = engine.serve(&container(settings)).await;
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("env", json!({ "name": "TOKEN" })).await, "of-this-backend");
    assert_eq!(client.text("env", json!({ "name": "HOME" })).await, "/nowhere");
    assert_eq!(
        client.text("env", json!({ "name": "MCPVISOR_CHILD" })).await,
        "",
        "that is for processes of ours"
    );
    let child = service.connections().await[0]["pid"].as_u64().unwrap();
    let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap().replace('\0', " ");
    assert!(!line.contains("of-this-backend"), "{line}");
    for option in [
        "run --rm -i --init --name=mcpvisor-",
        "--env=TOKEN ",
        "--memory=1073741824 ",
        "example/server:1 misbehave",
    ] {
        assert!(line.contains(option), "{option} is not in {line}");
    }
    assert!(line.contains(&format!("--label=mcpvisor.instance={} ", service.instance)), "{line}");
    assert_eq!(client.delete().await, 204);
    engine.none_is_left().await;
    let cid = |entry: fs::DirEntry| entry.file_name().to_str().unwrap().ends_with(".cid");
    let files = || fs::read_dir(service.path("state")).unwrap().map(Result::unwrap);
    eventually("its id is forgotten", async || (!files().any(cid)).then_some(())).await;
}

/// Killing the engine's command leaves the container: after a night there would be hundreds.
#[tokio::test]
async fn a_container_that_does_not_end_by_itself_is_ended_as_a_container() {
    let engine = Engine::new();
    let service = engine.serve(&container(STUBBORN)).await;
    let client = Client::open(&service, "a").await;
    let (_, pid) = engine.containers().remove(0);
    assert_eq!(client.delete().await, 204);
    engine.none_is_left().await;
    eventually("its process is gone", async || (!lives(pid)).then_some(())).await;
    let calls = engine.calls();
    assert!(calls.contains("\nstop -t 1 ") && calls.contains("\nrm --force --volumes "), "{calls}");
    assert_eq!(service.metric("mcpvisor_orphans_reaped_total").await, 0.0, "what ends it is no orphan");
}

/// Two containers of one session would write to the same files, or the session would be lost.
#[tokio::test]
async fn a_lost_engine_command_is_a_crash_and_the_container_is_gone_before_the_next() {
    let engine = Engine::new();
    let service = engine.serve(&container(STUBBORN)).await;
    let client = Client::open(&service, "a").await;
    let (first, pid) = engine.containers().remove(0);
    kill_9(service.connections().await[0]["pid"].as_u64().unwrap().try_into().unwrap());
    let now = engine.another_than(&first).await;
    assert_eq!(client.text("echo", json!({ "message": "still here" })).await, "still here");
    assert!(!lives(pid));
    // The same for one that crashes by itself.
    kill_9(now.1);
    engine.another_than(&now.0).await;
    assert_eq!(client.text("echo", json!({ "message": "and here" })).await, "and here");
}

/// A service that is killed would leave its containers until somebody starts it again.
#[tokio::test]
async fn the_guard_removes_the_containers_of_a_killed_service() {
    let engine = Engine::new();
    let mut service = engine.serve(&container(STUBBORN)).await;
    let _clients = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let containers = engine.containers();
    assert_eq!(containers.len(), 2);
    kill_9(service.pid());
    service.ended().await;
    engine.none_is_left().await;
    assert!(containers.iter().all(|(_, pid)| !lives(*pid)));
}

/// If its guard is killed too, they would stay for ever.
#[tokio::test]
async fn what_a_killed_service_has_left_is_removed_at_the_next_start() {
    let engine = Engine::new();
    let mut service = engine.serve(&container(STUBBORN)).await;
    let _client = Client::open(&service, "a").await;
    let (_, pid) = engine.containers().remove(0);
    let is_guard = |pid: u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "mcpvisor-guard\n")
    };
    let guard =
        async || processes_of(service.pid()).into_iter().map(|(pid, _)| pid).find(|pid| is_guard(*pid));
    let guard = eventually("it has a guard", guard).await;
    // So that it starts no other before it is killed itself.
    service.signal(Signal::STOP);
    kill_9(guard);
    kill_9(service.pid());
    service.ended().await;
    assert!(lives(pid), "nobody was left to end it");
    service.start_again().await;
    engine.none_is_left().await;
    assert!(!lives(pid));
    assert!(service.log().contains("containers=1"), "it is said");
}

/// Whoever is in a hurry would leave containers.
#[tokio::test]
async fn a_second_signal_ends_containers_at_once() {
    let engine = Engine::new();
    let settings = STUBBORN.replace("500ms", "1h");
    let mut service = engine.serve(&container(&settings)).await;
    let _client = Client::open(&service, "a").await;
    let (_, pid) = engine.containers().remove(0);
    service.signal(Signal::TERM);
    eventually("it is asked to stop", async || engine.calls().contains("\nstop -t 3600 ").then_some(()))
        .await;
    service.signal(Signal::TERM);
    service.ended().await;
    engine.none_is_left().await;
    assert!(!lives(pid));
}

/// A drain would end the engine's commands and leave what they had started.
#[tokio::test]
async fn a_drain_ends_containers_too() {
    let engine = Engine::new();
    let mut service = engine.serve(&container(STUBBORN)).await;
    let _clients = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    assert_eq!(engine.containers().len(), 2);
    service.signal(Signal::TERM);
    assert!(service.ended().await.success());
    assert!(engine.containers().is_empty(), "{:?}", engine.containers());
}

/// Whoever misspells an image would see an exit code of docker, and look for it in the server.
#[tokio::test]
async fn a_failing_engine_is_told_from_a_failing_server() {
    let engine = Engine::new();
    let service = engine.serve("[backends.a]\ncontainer = \"missing\"\n").await;
    let Err((_, answer)) = Client::try_open(&service, "a").await else { panic!("there is no such image") };
    assert!(answer.to_string().contains("the engine of its container failed"), "{answer}");
}

/// A service would start that can serve nothing.
#[test]
fn an_engine_that_is_not_there_is_refused_at_the_start() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mcpvisor.toml");
    fs::write(&file, container("engine = \"no-such-engine\"")).unwrap();
    let checked =
        Command::new(env!("CARGO_BIN_EXE_mcpvisor")).arg("check").arg("-c").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(64), "{said}");
    assert!(said.contains("backends.a.engine") && said.contains("'no-such-engine' not found"), "{said}");
}
