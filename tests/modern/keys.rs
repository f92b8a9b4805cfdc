//! Whose process a request reaches, where nothing in the protocol names a session.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::client::Modern;
use crate::common::{Service, backend, eventually, exists};
use crate::demo;

pub const ALICE: &str = "key-of-alice";
pub const BOB: &str = "key-of-bob";

/// Two principals.
pub fn keys() -> String {
    let key = |id: &str, key: &str| {
        let hex: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{ id = {id:?}, sha256 = {hex:?} }}")
    };
    format!("[auth]\nkeys = [{}, {}]\n", key("alice", ALICE), key("bob", BOB))
}

/// One user would see what another has told the server.
#[tokio::test]
async fn principals_and_named_sessions_have_processes_of_their_own() {
    let session = "[session]\nheader = \"x-session\"\n";
    let config = [session, &keys(), &backend("a", &[], ""), &demo("d", "")].concat();
    let service = Service::start(&config).await;
    for name in ["a", "d"] {
        let count = async |client: Modern| client.text("counter", json!({})).await;
        let client = |key: &str| Modern::new(&service, name).by(key);
        assert_eq!(count(client(ALICE)).await, "1");
        assert_eq!(count(client(BOB)).await, "1", "{name}: another principal");
        assert_eq!(count(client(ALICE)).await, "2", "{name}: the same principal");
        assert_eq!(
            count(client(ALICE).saying("x-session", "one")).await,
            "1",
            "{name}: a session of its own"
        );
        assert_eq!(count(client(ALICE).saying("x-session", "two")).await, "1", "{name}: another one");
        assert_eq!(count(client(BOB).saying("x-session", "one")).await, "1", "{name}: of another principal");
        assert_eq!(count(client(ALICE).saying("x-session", "one")).await, "2", "{name}: the same session");
    }
}

/// What a client can do is told a server of the era before once: two that differ cannot share it.
#[tokio::test]
async fn capabilities_part_clients_where_the_backend_is_told_them_once() {
    let service = Service::start(&(backend("a", &[], "") + &demo("d", ""))).await;
    for (name, parted) in [("a", true), ("d", false)] {
        let client = |able| Modern::new(&service, name).able(able);
        let one = client(json!({ "sampling": {}, "roots": { "listChanged": true } })).pid().await;
        let same = client(json!({ "roots": { "listChanged": true }, "sampling": {} })).pid().await;
        let other = client(json!({})).pid().await;
        assert_eq!((one == same, one != other), (true, parted), "{name}");
    }
}

/// A server that is expensive to have twice would be there once a client.
#[tokio::test]
async fn what_is_shared_is_one_process_for_all() {
    let shared = "isolation = \"shared\"";
    let session = "[session]\nheader = \"x-session\"\n";
    let config = [session, &keys(), &backend("a", &[], shared), &demo("d", shared)].concat();
    let service = Service::start(&config).await;
    for name in ["a", "d"] {
        let client = |key: &str| Modern::new(&service, name).by(key);
        let one = client(ALICE).pid().await;
        assert_eq!(client(BOB).pid().await, one, "{name}");
        assert_eq!(client(BOB).saying("x-session", "one").pid().await, one, "{name}");
    }
}

/// `principal` says that sessions of one key share; a header would part them again.
#[tokio::test]
async fn where_a_principal_shares_no_header_parts_it() {
    let session = "[session]\nheader = \"x-session\"\n";
    let config = [session, &keys(), &backend("a", &[], "isolation = \"principal\"")].concat();
    let service = Service::start(&config).await;
    let client = |key: &str| Modern::new(&service, "a").by(key);
    let one = client(ALICE).pid().await;
    assert_eq!(client(ALICE).saying("x-session", "one").pid().await, one);
    assert_ne!(client(BOB).pid().await, one);
}

/// A process would stay for every client that ever asked something.
#[tokio::test]
async fn what_nobody_uses_is_closed_and_comes_back_with_the_next_request() {
    let idle = "pool.idle_timeout = \"500ms\"\npool.cleanup_interval = \"100ms\"";
    let service = Service::start(&(backend("a", &[], idle) + &demo("d", idle))).await;
    for name in ["a", "d"] {
        let client = Modern::new(&service, name);
        let pid = client.pid().await;
        eventually("it is closed", async || (!exists(pid)).then_some(())).await;
        assert_eq!(client.text("counter", json!({})).await, "1");
        assert!(client.pid().await != pid);
        let closed = service.metric(&format!(r#"mcpvisor_idle_evictions_total{{backend="{name}"}}"#)).await;
        assert!(closed >= 1.0, "{closed}");
    }
}
