//! A panic anywhere in the tree: every request gets exactly one typed answer, and the service goes on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio_util::sync::CancellationToken;

use crate::connection::ConnectionMsg;
use crate::error::Refusal;
use crate::launcher::Launcher;
use crate::link::duplex::OpenTransport;
use crate::message::{self, Envelope};
use crate::pending::Exchange;
use crate::registry::RegistryMsg;
use crate::route::Route;
use crate::supervisor::SupervisorMsg;

/// Shakes hands, echoes `echo`, and never answers anything else.
async fn silent_server(stream: DuplexStream) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).unwrap();
        let result = match message["method"].as_str() {
            Some("initialize") => json!({"protocolVersion": "2025-11-25", "capabilities": {}}),
            Some("echo") => message["params"].clone(),
            _ => continue,
        };
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    }
}

struct World {
    launcher: Launcher,
    route: Route,
}

impl World {
    /// One connection with room for one request in flight; the others queue.
    async fn new() -> Self {
        Self::with("command = \"/nowhere\"\n").await
    }

    async fn with(settings: &str) -> Self {
        let text = format!("[backends.b]\n{settings}limits.max_in_flight = 1\n");
        let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text };
        let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
        let config = mcpvisor_config::load(request).unwrap().config;
        let launcher = Launcher::new(config, CancellationToken::new()).await.unwrap();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(silent_server(theirs));
        let (reader, writer) = tokio::io::split(ours);
        let transport = OpenTransport::new(reader, writer);
        launcher.pool().set("b", "s", transport).await.unwrap();
        let (reply, route) = tokio::sync::oneshot::channel();
        let key = crate::ConnectionKey::new("b", "s");
        assert!(launcher.address().send(RegistryMsg::Get { key, reply }).is_ok());
        Self { route: route.await.unwrap().unwrap(), launcher }
    }

    /// One request in flight and three queued.
    fn send_four(&self) -> Vec<tokio::sync::oneshot::Receiver<Exchange>> {
        let send = |id| {
            let request = message::request(id, "silence", &json!({}));
            self.route.request(Envelope::parse(request).unwrap())
        };
        (1..=4).map(send).collect()
    }

    async fn in_flight_and_queued(&self) {
        for _ in 0..1000 {
            let usage = &self.route.place().usage;
            if (usage.in_flight(), usage.queued()) == (1, 3) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the requests never arrived");
    }

    /// The first was in flight and is lost; the others were not, and are refused with a reason, since
    /// nothing can be launched in their place.
    async fn each_gets_one_typed_answer(&self, exchanges: Vec<tokio::sync::oneshot::Receiver<Exchange>>) {
        for (at, exchange) in exchanges.into_iter().enumerate() {
            let answer = tokio::time::timeout(Duration::from_secs(20), exchange).await;
            let Ok(Ok(Exchange::Answer(Err(refusal)))) = answer else { panic!("{at}: {answer:?}") };
            match (at, &refusal) {
                (0, Refusal::BackendLost { .. }) => assert_eq!(refusal.reason(), "panic"),
                (0, _) => panic!("{refusal:?}"),
                (_, Refusal::BackendUnavailable { .. } | Refusal::LaunchFailed { .. }) => {}
                _ => panic!("{at}: {refusal:?}"),
            }
        }
        assert!(self.launcher.alive(Duration::from_secs(5)).await, "the registry answers");
        self.launcher.close().await;
    }
}

#[tokio::test]
async fn a_connection_that_panics_loses_nobody() {
    let world = World::new().await;
    let exchanges = world.send_four();
    world.in_flight_and_queued().await;
    let connection = world.route.place().connection.load_full().unwrap();
    connection.send_message(ConnectionMsg::Panic).unwrap_or_else(|_| panic!("delivered"));
    world.each_gets_one_typed_answer(exchanges).await;
}

#[tokio::test]
async fn a_supervisor_that_panics_loses_nobody() {
    let world = World::new().await;
    let exchanges = world.send_four();
    world.in_flight_and_queued().await;
    let supervisor = world.route.place().supervisor.load_full().unwrap();
    supervisor.send_message(SupervisorMsg::Panic).unwrap_or_else(|_| panic!("delivered"));
    world.each_gets_one_typed_answer(exchanges).await;
}

#[tokio::test]
async fn a_registry_that_panics_loses_nobody() {
    let world = World::new().await;
    let exchanges = world.send_four();
    world.in_flight_and_queued().await;
    assert!(world.launcher.address().send(RegistryMsg::Panic).is_ok());
    world.each_gets_one_typed_answer(exchanges).await;
}

/// A bug of ours would give a client a server with an empty memory, which it has ruled out.
#[tokio::test]
async fn a_session_that_ends_with_its_connection_is_not_launched_anew_after_a_panic() {
    for supervisor in [true, false] {
        let folder = tempfile::TempDir::new().unwrap();
        let trace = folder.path().join("launched");
        let command = format!("command = \"touch\"\nargs = [{trace:?}]\n");
        let world = World::with(&format!("{command}on_restart = \"end_session\"\n")).await;
        let exchanges = world.send_four();
        world.in_flight_and_queued().await;
        if supervisor {
            let supervisor = world.route.place().supervisor.load_full().unwrap();
            supervisor.send_message(SupervisorMsg::Panic).unwrap_or_else(|_| panic!("delivered"));
        } else {
            assert!(world.launcher.address().send(RegistryMsg::Panic).is_ok());
        }
        let mut reasons = Vec::new();
        for exchange in exchanges {
            let answer = tokio::time::timeout(Duration::from_secs(20), exchange).await;
            let Ok(Ok(Exchange::Answer(Err(refusal)))) = answer else { panic!("{answer:?}") };
            reasons.push(refusal.reason());
        }
        assert_eq!(reasons, ["panic", "end_session", "end_session", "end_session"]);
        world.launcher.close().await;
        assert!(!trace.exists(), "it was launched");
    }
}

/// Supervision that cannot help gives up, visibly, and does not restart for ever.
#[tokio::test]
async fn a_registry_that_keeps_failing_escalates() {
    let world = World::new().await;
    let escalated = tokio::spawn({
        let launcher = world.launcher.clone();
        async move { launcher.escalated().await }
    });
    for _ in 0..4 {
        let _ = world.launcher.address().send(RegistryMsg::Panic);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::timeout(Duration::from_secs(20), escalated).await.unwrap().unwrap();
}

/// A server that shakes hands and says nothing more, as a program that every machine has.
const SHELL: &str = r#"
[backends.b]
command = "sh"
args = ["-c", 'read line; echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}}"; cat >/dev/null']
pool.max_error_count = 2
backoff.min = "1ms"
backoff.max = "1ms"
"#;

async fn eventually(launcher: &Launcher, mut check: impl FnMut(&crate::ConnectionMetadata) -> bool) {
    for _ in 0..2000 {
        if launcher.list().await.first().is_some_and(&mut check) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {:?}", launcher.list().await);
}

/// A bug of ours that strikes a session again and again would restart its server for ever, with a clean count each time.
#[tokio::test]
async fn a_supervisor_that_keeps_failing_is_counted_and_stopped_at_the_limit() {
    let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text: SHELL.into() };
    let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
    let config = mcpvisor_config::load(request).unwrap().config;
    let launcher = Launcher::new(config, CancellationToken::new()).await.unwrap();
    launcher.get_or_launch_for_session("b", "s").await.unwrap();
    for errors in 1..=3 {
        let (reply, route) = tokio::sync::oneshot::channel();
        let key = crate::ConnectionKey::new("b", "s");
        assert!(launcher.address().send(RegistryMsg::Get { key, reply }).is_ok());
        let supervisor = route.await.unwrap().unwrap().place().supervisor.load_full().unwrap();
        supervisor.send_message(SupervisorMsg::Panic).unwrap_or_else(|_| panic!("delivered"));
        let phase = if errors < 3 { crate::Phase::Ready } else { crate::Phase::Stopped };
        eventually(&launcher, |one| {
            (one.error_count, one.total_errors, one.phase) == (errors, errors.into(), phase)
        })
        .await;
    }
    launcher.close().await;
}

/// A server that answers whatever it is asked, as a program that every machine has.
const RESERVE: &str = r#"
[backends.b]
command = "sh"
args = ["-c", 'while read line; do case "$line" in *ping*) id="\"mcpvisor-spare\"";; *) id=1;; esac; echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}}"; done']
warm = 2
"#;

fn marked(instance: &str) -> Vec<u32> {
    let marker = format!("MCPVISOR_CHILD={instance}:");
    let carries = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(marker.as_bytes()))
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(carries).collect()
}

async fn two_in_reserve(launcher: &Launcher, besides: &[u32]) -> Vec<u32> {
    for _ in 0..2000 {
        let warm = launcher.backends().await.first().is_some_and(|backend| backend.spares_warm == 2);
        let pids = marked(launcher.instance());
        if warm && pids.len() == 2 && pids.iter().all(|pid| !besides.contains(pid)) {
            return pids;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {:?} {:?}", launcher.backends().await, marked(launcher.instance()));
}

/// Spares of a Registry that failed would be nobody's, and run for ever beside those of the next.
#[tokio::test]
async fn spares_end_with_their_registry_and_the_next_has_its_own() {
    let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text: RESERVE.into() };
    let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
    let config = mcpvisor_config::load(request).unwrap().config;
    let launcher = Launcher::new(config, CancellationToken::new()).await.unwrap();
    let before = two_in_reserve(&launcher, &[]).await;
    assert!(launcher.address().send(RegistryMsg::Panic).is_ok());
    let after = two_in_reserve(&launcher, &before).await;
    launcher.get_or_launch_for_session("b", "s").await.unwrap();
    let pid = launcher.list().await[0].pid.unwrap();
    assert!(after.contains(&pid), "{pid} {after:?}");
    launcher.close().await;
    assert!(marked(launcher.instance()).is_empty());
}
