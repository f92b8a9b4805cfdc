//! `restart`, `stop`, `start`, `status`

use serde_json::{Value, json};

use super::common::{Client, Service, backend, code, eventually, exists, reason};
use super::{said, session_of};

/// An operator could not do by hand what the admin API can.
#[tokio::test]
async fn a_backend_or_one_session_of_it_is_restarted_stopped_and_started() {
    let service = Service::start(&backend("files", &[], "")).await;
    let (client, other) = (Client::open(&service, "files").await, Client::open(&service, "files").await);
    let (before, untouched) = (client.pid().await, other.pid().await);
    let session = session_of(&service, &client).await;
    let key = format!("files/{session}");

    assert_eq!(said(&service, &["restart", "files", &session[..8]]), format!("{key} restarted\n"));
    let after = client.pid().await;
    assert_ne!(after, before);
    assert_eq!(said(&service, &["restart", &key]), format!("{key} restarted\n"), "as status prints it");
    assert_ne!(client.pid().await, after);
    assert_eq!(other.pid().await, untouched);
    assert_eq!(said(&service, &["restart", "files"]), "files restarted (2 connections)\n");
    assert_ne!(other.pid().await, untouched);

    assert_eq!(said(&service, &["stop", &key]), format!("{key} ended\n"));
    let ended = async || {
        let ask = client.ask(json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" }).to_string());
        (ask.send(&service.main).await.status == 404).then_some(())
    };
    eventually("its client is told", ended).await;

    let pid = other.pid().await;
    let stopped = said(&service, &["stop", "files"]);
    assert_eq!(stopped, "files stopped (1 connection); it stays so until `mcpvisor start files`\n");
    let refused = other.call("echo", json!({ "message": "x" })).await;
    assert_eq!((code(&refused), reason(&refused)), (-31002, "stopped_by_operator"));
    eventually("its process ends", async || (!exists(pid)).then_some(())).await;
    assert!(said(&service, &["status"]).contains("stopped (by operator)"));
    assert_eq!(said(&service, &["start", "files"]), "files started; its next request launches a server\n");
    assert_ne!(other.pid().await, pid);
}

/// A script would have to take tables apart, and a person to read JSON.
#[tokio::test]
async fn status_is_a_table_for_people_and_json_for_scripts() {
    let service = Service::start(&backend("files", &[], "")).await;
    let client = Client::open(&service, "files").await;
    let (pid, session) = (client.pid().await, session_of(&service, &client).await);
    let shown = said(&service, &["status"]);
    assert!(!shown.contains('\x1b'), "colours are for terminals: {shown:?}");
    let row = shown.lines().find(|line| line.starts_with(&format!("files/{session}"))).unwrap();
    let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells[..4], [&format!("files/{session}"), "ready", &pid.to_string(), "now"], "{row}");
    assert_eq!((cells[6], cells[9]), ("0/10", "-"), "{row}");
    assert!(cells[8].ends_with(" MiB"), "{row}");
    let status: Value = serde_json::from_str(&said(&service, &["status", "--json"])).unwrap();
    assert_eq!(
        (&status["connections"][0]["pid"], &status["backends"][0]["name"]),
        (&json!(pid), &json!("files"))
    );
}
