//! Backends that are not there: they hide nobody, and come back.

use std::time::{Duration, Instant};

use super::*;
use common::{code, kill_9};

/// A user would lose every tool because one server is broken.
#[tokio::test]
async fn a_backend_that_cannot_be_launched_hides_nobody() {
    let config = two("") + "[backends.dead]\ncommand = \"/no/such/program\"\n";
    let service = Service::start(&config).await;
    let client = open(&service, ALL).await;
    let answer = client.request("tools/list", json!({})).await;
    let tools = names(&answer["result"]["tools"], "name");
    assert!(has(&tools, "a") && has(&tools, "b"), "{tools:?}");
    let missing = &answer["result"]["_meta"]["mcpvisor/unavailable"][0];
    assert_eq!(missing["backend"], "dead", "{answer}");
    assert!(missing["reason"].is_string() && missing["message"].as_str().unwrap().contains("dead"));
    let call = client.call("dead__echo", json!({})).await;
    assert!(matches!(code(&call), -31006 | -31002), "{call}");
    assert_eq!(client.text("a__echo", json!({ "message": "x" })).await, "x");
}

/// A client would have to ask again and again whether the server is back.
#[tokio::test]
async fn a_backend_that_is_back_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, "").unwrap();
    let config = backend("a", &[], "")
        + &backend(
            "b",
            &["--broken-while", broken.to_str().unwrap()],
            "backoff.min = \"50ms\"\nbackoff.max = \"100ms\"\npool.max_error_count = 2\npool.cooldown = \"1s\"",
        );
    let service = Service::start(&config).await;
    let client = open(&service, ALL).await;
    let mut stream = client.stream().await;
    let before = tools(&client).await;
    assert!(has(&before, "a") && !has(&before, "b"), "{before:?}");
    let warned = hears(&mut stream, "notifications/message").await;
    assert!(warned["params"]["data"].as_str().unwrap().contains("'b'"), "{warned}");
    fs::remove_file(&broken).unwrap();
    hears(&mut stream, "notifications/tools/list_changed").await;
    let after = tools(&client).await;
    assert!(has(&after, "a") && has(&after, "b"), "{after:?}");
}

/// A client would wait for the slowest of all servers, or for ever.
#[tokio::test]
async fn a_backend_that_never_answers_holds_nobody_up() {
    let config = backend("a", &[], "") + &backend("b", &["--hang-initialize"], "timeouts.launch = \"60s\"");
    let service = Service::start(&config).await;
    let begun = Instant::now();
    let client = open(&service, ALL).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let tools = tools(&client).await;
    assert!(has(&tools, "a") && !has(&tools, "b"), "{tools:?}");
    assert_eq!(client.text("a__echo", json!({ "message": "x" })).await, "x");
}

/// What starts slowly would be missing until the client thinks of asking again.
#[tokio::test]
async fn a_backend_that_starts_slowly_comes_with_list_changed() {
    let config = backend("a", &[], "") + &backend("b", &["--slow-start", "17000"], "");
    let service = Service::start(&config).await;
    let client = open(&service, ALL).await;
    let mut stream = client.stream().await;
    let before = tools(&client).await;
    assert!(has(&before, "a") && !has(&before, "b"), "{before:?}");
    hears(&mut stream, "notifications/tools/list_changed").await;
    assert!(has(&tools(&client).await, "b"));
}

/// The crash of one server would cost the session of all.
#[tokio::test]
async fn the_session_outlives_the_crash_of_one_backend() {
    let service = Service::start(&two("")).await;
    let client = open(&service, ALL).await;
    let mut stream = client.stream().await;
    client.text("a__counter", json!({})).await;
    let before = client.known("b__pid").await["pid"].as_u64().unwrap();
    kill_9(before.try_into().unwrap());
    hears(&mut stream, "notifications/tools/list_changed").await;
    assert_ne!(client.known("b__pid").await["pid"].as_u64().unwrap(), before);
    assert_eq!(client.text("a__counter", json!({})).await, "2", "the other has noticed nothing");
    assert_eq!(client.known("b__handshake").await["initialized_count"], 1, "it was shaken hands with");
}

/// A backend that ends its sessions when it restarts would end those of all others.
#[tokio::test]
async fn a_backend_that_ends_its_part_of_a_session_begins_another() {
    let service = Service::start(&two("on_restart = \"end_session\"")).await;
    let client = open(&service, ALL).await;
    let mut stream = client.stream().await;
    client.text("a__counter", json!({})).await;
    client.text("b__counter", json!({})).await;
    let pid = client.known("b__pid").await["pid"].as_u64().unwrap();
    kill_9(pid.try_into().unwrap());
    hears(&mut stream, "notifications/tools/list_changed").await;
    eventually("the backend again", async || {
        let answer = client.call("b__counter", json!({})).await;
        (code(&answer) == 0 && common::text_of(&answer) == "1").then_some(())
    })
    .await;
    assert_eq!(client.text("a__counter", json!({})).await, "2");
}
