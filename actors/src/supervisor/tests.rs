//! Messages that cross on their way.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::SupervisorMsg;
use crate::connection::ConnectionMsg;
use crate::error::EndCause;
use crate::fault::{Fault, FaultReason};
use crate::key::ConnectionKey;
use crate::launcher::Launcher;
use crate::link::duplex::OpenTransport;
use crate::metadata::{ConnectionMetadata, Phase};
use crate::registry::RegistryMsg;
use crate::route::Route;

/// A server on a duplex; one that does not serve reads and says nothing.
fn server(serves: bool) -> OpenTransport {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let (reader, mut writer) = tokio::io::split(theirs);
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let message: Value = serde_json::from_str(&line).unwrap();
            if serves && message["id"] != Value::Null {
                let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
                let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
                writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            }
        }
    });
    let (reader, writer) = tokio::io::split(ours);
    OpenTransport::new(reader, writer)
}

async fn launcher() -> Launcher {
    launcher_with("[pool]\nidle_timeout = \"200ms\"\ncleanup_interval = \"50ms\"\n", "").await
}

async fn launcher_with(general: &str, settings: &str) -> Launcher {
    let text = format!("{general}[backends.b]\ncommand = \"/nowhere\"\n{settings}");
    let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text };
    let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
    Launcher::new(mcpvisor_config::load(request).unwrap().config, CancellationToken::new()).await.unwrap()
}

async fn eventually(launcher: &Launcher, mut check: impl FnMut(&[ConnectionMetadata]) -> bool) {
    for _ in 0..2000 {
        if check(&launcher.list().await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not in time: {:?}", launcher.list().await);
}

/// Puts a silent server under supervision, and another in its place in the moment in which `news` of the
/// first arrives. Whoever waits must get the second.
async fn replaced_as(news: impl FnOnce(u64) -> SupervisorMsg) {
    let launcher = launcher().await;
    let waiting = tokio::spawn({
        let pool = launcher.pool();
        async move { pool.set("mine", "s", server(false)).await }
    });
    eventually(&launcher, |list| list.first().is_some_and(|entry| entry.incarnation > 0)).await;
    let incarnation = launcher.list().await[0].incarnation;
    let (reply, route) = oneshot::channel();
    assert!(
        launcher.address().send(RegistryMsg::Get { key: ConnectionKey::new("mine", "s"), reply }).is_ok()
    );
    let route: Route = route.await.unwrap().unwrap();
    let supervisor = route.place().supervisor.load_full().unwrap();
    for message in [SupervisorMsg::Set { transport: server(true) }, news(incarnation)] {
        assert!(supervisor.send_message(message).is_ok());
    }
    let connection = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), connection.request("x", &json!({}))).await;
    assert!(answer.unwrap().is_ok());
    let now = &launcher.list().await[0];
    assert!(now.incarnation > incarnation && now.total_errors == 0, "{now:?}");
    launcher.close().await;
}

/// The key would be shown as ready, with nobody behind it, for ever.
#[tokio::test]
async fn an_answer_of_a_replaced_transport_opens_nothing() {
    replaced_as(|incarnation| {
        let answer =
            Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#);
        SupervisorMsg::Answered { incarnation, answer, accepted: true }
    })
    .await;
}

/// The new transport would be dropped for a fault of the old one.
#[tokio::test]
async fn a_fault_of_a_replaced_transport_harms_nobody() {
    replaced_as(|incarnation| {
        let fault = Fault::new(FaultReason::Eof, "the transport ended").into();
        SupervisorMsg::Fault { incarnation, fault }
    })
    .await;
}

/// A transport put in place of one that has just been lost, and its session with it, would serve nobody, and keep
/// everybody from another.
#[tokio::test]
async fn a_transport_that_comes_too_late_for_its_session_is_not_opened() {
    let launcher = launcher_with("", "on_restart = \"end_session\"\n").await;
    let before = launcher.pool().set("b", "s", server(true)).await.unwrap();
    let (reply, route) = oneshot::channel();
    assert!(launcher.address().send(RegistryMsg::Get { key: ConnectionKey::new("b", "s"), reply }).is_ok());
    let route: Route = route.await.unwrap().unwrap();
    let incarnation = launcher.list().await[0].incarnation;
    let supervisor = route.place().supervisor.load_full().unwrap();
    // As its Connection does before it answers anybody.
    route.all_have_ended(EndCause::EndSession);
    let fault = Fault::new(FaultReason::Eof, "the transport ended").into();
    for message in
        [SupervisorMsg::Set { transport: server(true) }, SupervisorMsg::Fault { incarnation, fault }]
    {
        assert!(supervisor.send_message(message).is_ok());
    }
    eventually(&launcher, |list| list.is_empty()).await;
    assert_eq!(before.request("x", &json!({})).await.unwrap_err().reason(), "end_session");
    let anew = launcher.pool().set("b", "s", server(true)).await.unwrap();
    assert!(anew.request("x", &json!({})).await.is_ok());
    launcher.close().await;
}

/// A caller who gives up between opening a key and using it would leave it behind for ever.
#[tokio::test]
async fn a_key_that_was_opened_and_never_used_is_cleaned_up() {
    let launcher = launcher().await;
    let (reply, route) = oneshot::channel();
    let open = RegistryMsg::Open { key: ConnectionKey::new("b", "s"), reply };
    assert!(launcher.address().send(open).is_ok());
    assert!(route.await.unwrap().is_ok());
    assert_eq!(launcher.list().await[0].phase, Phase::Launching);
    eventually(&launcher, |list| list.is_empty()).await;
    launcher.close().await;
}

/// A reload that comes while a server is about to be evicted, which a call prevents, would leave the server of before
/// in place.
#[tokio::test]
async fn a_reload_replaces_a_server_whose_eviction_is_refused() {
    let launcher = launcher_with("[pool]\nidle_timeout = \"200ms\"\ncleanup_interval = \"1h\"\n", "").await;
    let handle = launcher.pool().set("b", "s", server(true)).await.unwrap();
    assert!(handle.request("x", &json!({})).await.is_ok());
    let place = handle.route().place();
    let supervisor = place.supervisor.load_full().unwrap();
    let connection = place.connection.load_full().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    // It has more to do than it does before others have their turn.
    for _ in 0..10_000 {
        assert!(connection.send_message(ConnectionMsg::Tick).is_ok());
    }
    assert!(supervisor.send_message(SupervisorMsg::Evict).is_ok());
    while launcher.list().await[0].phase != Phase::Draining {
        tokio::task::yield_now().await;
    }
    place.usage.touch(tokio::time::Instant::now());
    assert!(supervisor.send_message(SupervisorMsg::Restart { by_hand: false }).is_ok());
    // The next one cannot be launched.
    eventually(&launcher, |list| list[0].phase == Phase::Stopped).await;
    assert_eq!(handle.request("x", &json!({})).await.unwrap_err().reason(), "stopped");
    launcher.close().await;
}
