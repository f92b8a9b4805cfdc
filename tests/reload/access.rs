//! Who may come in.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::common::{Ask, Client, Service, reason};
use crate::{marked, ordered, write};

fn sha256(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn keys(of: &str, keys: &[(&str, &str)]) -> String {
    let entry = |(id, key): &(&str, &str)| format!("{{ id = {id:?}, sha256 = {:?} }}", sha256(key));
    format!("{of} = [{}]\n", keys.iter().map(entry).collect::<Vec<_>>().join(", "))
}

async fn status(client: &Client) -> u16 {
    client.post(&client.message("ping", json!({}))).await.status
}

/// A key that has leaked could not be taken back without ending every session.
#[tokio::test]
async fn keys_are_rotated_while_sessions_go_on_and_sessions_of_nobody_end() {
    let config = |of: &[(&str, &str)]| ["[auth]\n", &keys("keys", of), &marked("a", "1", "")].concat();
    let service = Service::start(&config(&[("alice", "old"), ("bob", "b")])).await;
    let mut alice = Client::open_with(&service, "a", "old", json!({})).await;
    let bob = Client::open_with(&service, "a", "b", json!({})).await;
    let pid = alice.pid().await;
    let mut stream = bob.stream().await;
    let report = service.reload(&config(&[("alice", "new")])).await;
    assert_eq!((&report["settings"], &report["strangers"]), (&json!(["auth.keys"]), &json!(1)), "{report}");
    assert_eq!(status(&alice).await, 401);
    alice.key = "new".to_owned();
    assert_eq!(alice.pid().await, pid);
    assert_eq!(status(&bob).await, 401);
    assert!(stream.message().await.is_none(), "what a key was taken back for goes on");
    service.reload(&config(&[("alice", "new"), ("bob", "b")])).await;
    assert_eq!(status(&bob).await, 404, "its session is over");
}

/// Whoever sets the first key would leave in those who came without.
#[tokio::test]
async fn the_first_key_ends_the_sessions_of_before() {
    let open = marked("a", "1", "");
    let service = Service::start(&open).await;
    let mut anonymous = Client::open(&service, "a").await;
    service.reload(&["[auth]\n", &keys("keys", &[("alice", "k")]), &open].concat()).await;
    assert_eq!(status(&anonymous).await, 401);
    anonymous.key = "k".to_owned();
    assert_eq!(status(&anonymous).await, 404);
}

/// The admin API would stay open to a key that was taken back, and a name that was added be refused.
#[tokio::test]
async fn the_admin_listener_and_the_names_of_the_service_follow() {
    let open = marked("a", "1", "");
    let service = Service::start(&open).await;
    let named = |host: &str| Ask::new("GET", "/health").header("host", host);
    assert_eq!(named("mcp.example").send(&service.main).await.status, 403);
    let auth = ["[auth]\nallowed_hosts = [\"mcp.example\"]\n", &keys("admin_keys", &[("ops", "k")])].concat();
    service.reload(&[&auth[..], &open].concat()).await;
    assert_eq!(named("mcp.example").send(&service.main).await.status, 200);
    assert_eq!(ordered(&service, "").await.0, 401);
    write(&service, &open);
    let back = Ask::new("POST", "/api/v1/reload").header("authorization", "Bearer k");
    assert_eq!(back.send(&service.admin).await.status, 200);
    assert_eq!(ordered(&service, "").await.0, 200);
    assert_eq!(named("mcp.example").send(&service.main).await.status, 403);
    let client = Client::open(&service, "a").await;
    assert_eq!(reason(&client.call("echo", json!({ "message": "x" })).await), "");
}
