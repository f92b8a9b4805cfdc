//! Some backends under one name.

use super::*;

/// A user of two servers would be shown all of them.
#[tokio::test]
async fn a_group_holds_what_it_names_in_its_order() {
    let config = two("") + &backend("group", &[], "") + "[groups]\npair = [\"b\", \"a\"]\none = [\"a\"]\n";
    let service = Service::start(&config).await;
    let pair = open(&service, "group/pair").await;
    let names = tools(&pair).await;
    assert!(has(&names, "a") && has(&names, "b") && !has(&names, "group"), "{names:?}");
    assert!(names[0].starts_with("b__"), "{names:?}");
    let one = open(&service, "group/one").await;
    assert!(!has(&tools(&one).await, "b"));
    assert_eq!(one.text("a__echo", json!({ "message": "x" })).await, "x");
    assert_eq!(common::code(&one.call("b__echo", json!({})).await), -32602, "it is not in the group");
    // A backend may be called group: its endpoint has no further part.
    assert_eq!(open(&service, "group").await.text("echo", json!({ "message": "x" })).await, "x");
    assert!(service.metrics().await.contains("route=\"mcp_group\""));
    // A session of a group is none of all.
    let mut elsewhere = one;
    elsewhere.path = "/mcp".to_owned();
    assert_eq!(elsewhere.post(&elsewhere.message("tools/list", json!({}))).await.status, 404);
}

/// A typo in a path would look like an empty server.
#[tokio::test]
async fn a_group_that_is_not_there_is_404_and_says_which_are() {
    let service = Service::start(&(two("") + "[groups]\npair = [\"a\", \"b\"]\n")).await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let reply = Ask::mcp("/mcp/group/pari", initialize.clone()).send(&service.main).await;
    assert_eq!(reply.status, 404);
    assert!(reply.text().await.contains("pair"));
    let client = open(&service, "group/pair").await;
    service.reload(&two("")).await;
    eventually("the end of the session", async || {
        (client.post(&client.message("ping", json!({}))).await.status == 404).then_some(())
    })
    .await;
}

/// Who does not want one door to everything could not close it.
#[tokio::test]
async fn the_endpoint_of_all_can_be_switched_off() {
    let off = "[gateway]\nunified = false\n";
    let config = two("") + "[groups]\npair = [\"a\", \"b\"]\n";
    let service = Service::start(&config).await;
    let client = open(&service, ALL).await;
    let listening = service.get("/livez").await;
    assert_eq!(listening.status, 200);
    service.reload(&(off.to_owned() + &config)).await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let reply = Ask::mcp("/mcp", initialize).send(&service.main).await;
    assert_eq!(reply.status, 404);
    let text = reply.text().await;
    assert!(text.contains("gateway.unified") && text.contains("a, b"), "{text}");
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 404);
    assert!(has(&tools(&open(&service, "group/pair").await).await, "a"));
}
