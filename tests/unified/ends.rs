//! How sessions end, and what they leave behind.

use super::*;
use common::exists;

async fn pids(client: &Client) -> [u32; 2] {
    let pid = async |backend: &str| {
        let known = client.known(&format!("{backend}__pid")).await;
        known["pid"].as_u64().unwrap().try_into().unwrap()
    };
    [pid("a").await, pid("b").await]
}

async fn all_gone(pids: &[u32]) {
    eventually("no process is left", async || pids.iter().all(|pid| !exists(*pid)).then_some(())).await;
}

/// Every session would leave as many processes behind as there are servers.
#[tokio::test]
async fn delete_ends_every_process_of_the_session() {
    let service = Service::start(&two("")).await;
    let (one, other) = (open(&service, ALL).await, open(&service, ALL).await);
    let (of_one, of_other) = (pids(&one).await, pids(&other).await);
    assert_eq!(one.delete().await, 204);
    all_gone(&of_one).await;
    assert!(of_other.iter().all(|pid| exists(*pid)));
    let gone = one.post(&one.message("tools/list", json!({}))).await;
    assert_eq!(gone.status, 404);
    assert_eq!(one.delete().await, 404);
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_with_its_processes() {
    let service = Service::start(&("[session]\nttl = \"1s\"\n".to_owned() + &two(""))).await;
    let client = open(&service, ALL).await;
    let pids = pids(&client).await;
    all_gone(&pids).await;
}

/// Somebody who has seen a session's id could use it.
#[tokio::test]
async fn a_stolen_session_is_worth_nothing() {
    let keys = |id: &str, key: &str| {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(key.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[auth.keys]]\nid = \"{id}\"\nsha256 = \"{hex}\"\n")
    };
    let config =
        keys("alice", "alice-key-0123456789") + &keys("mallory", "mallory-key-0123456789") + &two("");
    let service = Service::start(&config).await;
    let client = Client::open_with(&service, ALL, "alice-key-0123456789", json!({})).await;
    assert_eq!(client.text("a__echo", json!({ "message": "x" })).await, "x");
    let mut thief = Client::of(&service, ALL, client.session.clone());
    thief.key = "mallory-key-0123456789".to_owned();
    for session in [client.session.clone(), "nonsense".to_owned()] {
        thief.session = session;
        assert_eq!(thief.post(&thief.message("tools/list", json!({}))).await.status, 404);
        assert_eq!(thief.delete().await, 404);
    }
    // Nor is one of these good for a single backend, or the other way round.
    let mut elsewhere = client;
    elsewhere.path = "/mcp/a".to_owned();
    assert_eq!(elsewhere.post(&elsewhere.message("tools/list", json!({}))).await.status, 404);
}

/// One session would be counted as many.
#[tokio::test]
async fn a_session_of_many_backends_counts_as_one() {
    let service = Service::start(&("[limits]\nmax_sessions = 1\n".to_owned() + &two(""))).await;
    let client = open(&service, ALL).await;
    assert_eq!((connections(&service, "a").await, connections(&service, "b").await), (1, 1));
    let refused = Client::try_open(&service, ALL).await;
    assert_eq!(refused.err().map(|(status, _)| status), Some(503));
    assert_eq!(client.delete().await, 204);
    open(&service, ALL).await;
}

/// A reload would leave clients with tools that are gone, and without those that are new.
#[tokio::test]
async fn the_set_follows_a_reload_and_clients_are_told() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    let pids = pids(&client).await;
    let mut stream = client.stream().await;
    service.reload(&(two("") + &backend("c", &[], ""))).await;
    hears(&mut stream, "notifications/tools/list_changed").await;
    assert!(has(&tools(&client).await, "c"));
    service.reload(&(backend("a", &["--scheme", "a", "--fault-tools"], "") + &backend("c", &[], ""))).await;
    hears(&mut stream, "notifications/tools/list_changed").await;
    let now = tools(&client).await;
    assert!(has(&now, "a") && has(&now, "c") && !has(&now, "b"), "{now:?}");
    all_gone(&pids[1..]).await;
    assert!(exists(pids[0]));
    assert_eq!(common::code(&client.call("b__echo", json!({})).await), -32602);
    let disabled =
        backend("a", &["--scheme", "a", "--fault-tools"], "") + &backend("c", &[], "disabled = true");
    service.reload(&disabled).await;
    eventually("without it", async || (!has(&tools(&client).await, "c")).then_some(())).await;
}

/// A client that is strict about what was negotiated would end the session.
#[tokio::test]
async fn only_lists_that_were_promised_are_said_to_have_changed() {
    let flags = ["--drop-capability", "prompts", "--drop-capability", "resources"];
    let service = Service::start(&backend("a", &flags, "")).await;
    let client = open(&service, ALL).await;
    let mut stream = client.stream().await;
    service.reload(&(backend("a", &flags, "") + &backend("b", &flags, ""))).await;
    client.text("a__change_tools", json!({})).await;
    for _ in 0..2 {
        let told = stream.message().await.unwrap();
        assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    }
}
