//! Orders that have a long way to go, and requests that do not.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::connection_handle::ConnectionHandle;
use crate::key::ConnectionKey;
use crate::launcher::Launcher;
use crate::link::duplex::OpenTransport;
use crate::registry::RegistryMsg;
use crate::route::Route;
use crate::supervisor::SupervisorMsg;

/// More than an actor handles before others have their turn.
const MANY: usize = 10_000;

fn config(settings: &str) -> mcpvisor_config::Config {
    let text = format!("[backends.b]\ncommand = \"/nowhere\"\n{settings}");
    let files = vec![mcpvisor_config::Source::Text { name: "t.toml".into(), text }];
    mcpvisor_config::load(mcpvisor_config::LoadRequest { files, ..Default::default() }).unwrap().config
}

/// A server on a duplex, that answers whatever it is asked.
fn server() -> OpenTransport {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let (reader, mut writer) = tokio::io::split(theirs);
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] != Value::Null {
                let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
                let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
                writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            }
        }
    });
    let (reader, writer) = tokio::io::split(ours);
    OpenTransport::new(reader, writer)
}

/// A server that serves, under a Supervisor that has a lot to do.
async fn busy() -> (Launcher, ConnectionHandle) {
    let launcher = Launcher::new(config(""), CancellationToken::new()).await.unwrap();
    let connection = launcher.pool().set("b", "s", server()).await.unwrap();
    assert!(ask(&connection).await.is_ok());
    let (reply, route) = oneshot::channel();
    assert!(launcher.address().send(RegistryMsg::Get { key: ConnectionKey::new("b", "s"), reply }).is_ok());
    let route: Route = route.await.unwrap().unwrap();
    let supervisor = route.place().supervisor.load_full().unwrap();
    for _ in 0..MANY {
        assert!(supervisor.send_message(SupervisorMsg::EvictRefused { incarnation: 0 }).is_ok());
    }
    (launcher, connection)
}

/// Why it is refused, if it is.
async fn ask(connection: &ConnectionHandle) -> Result<(), String> {
    let answer = connection.request("tools/list", &json!({})).await;
    answer.map(drop).map_err(|refusal| refusal.reason().to_owned())
}

/// A call would be carried out by a server that its operator has stopped, and has been told so.
#[tokio::test]
async fn what_is_asked_after_a_stop_is_refused() {
    let (launcher, connection) = busy().await;
    assert_eq!(launcher.stop_backend("b").await, Some(1));
    assert_eq!(ask(&connection).await, Err("stopped_by_operator".to_owned()));
    launcher.close().await;
}

/// A call would go to the server that its operator wanted to be rid of. The next one cannot be launched here.
#[tokio::test]
async fn what_is_asked_after_a_restart_is_for_the_next_server() {
    let session = ConnectionKey::new("b", "s").session_hash();
    for session in [None, Some(&*session)] {
        let (launcher, connection) = busy().await;
        assert_eq!(launcher.restart("b", session).await, Some(1));
        assert_eq!(ask(&connection).await, Err("stopped".to_owned()));
        launcher.close().await;
    }
}

/// A call would be carried out as was configured before the reload, with the token that is not to be used any more.
#[tokio::test]
async fn what_is_asked_after_a_reload_is_for_the_server_as_it_is_configured() {
    let (launcher, connection) = busy().await;
    let reloaded = launcher.reload(config("args = [\"other\"]\n")).await.unwrap();
    assert_eq!(reloaded.relaunched, 1);
    assert_eq!(ask(&connection).await, Err("stopped".to_owned()));
    launcher.close().await;
}

/// An operator would wait for ever for a Supervisor that fails before it has done what it is told.
#[tokio::test]
async fn who_fails_keeps_nobody_waiting() {
    let (launcher, connection) = busy().await;
    let (reply, route) = oneshot::channel();
    assert!(launcher.address().send(RegistryMsg::Get { key: ConnectionKey::new("b", "s"), reply }).is_ok());
    let supervisor = route.await.unwrap().unwrap().place().supervisor.load_full().unwrap();
    assert!(supervisor.send_message(SupervisorMsg::Panic).is_ok());
    assert_eq!(launcher.stop_backend("b").await, Some(1));
    assert_eq!(ask(&connection).await, Err("stopped_by_operator".to_owned()));
    launcher.close().await;
}
