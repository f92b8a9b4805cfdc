//! `GET /api/v1/connections/{backend}/{session}/stderr`

use serde_json::json;

use super::common::{Ask, Client, Service, Upstream, eventually};
use super::{ask, complaining, json as ask_json, only_session};

async fn said(service: &Service, path: &str) -> String {
    let reply = ask(service, "GET", path).await;
    let status = reply.status;
    let text = reply.text().await;
    assert_eq!(status, 200, "{text}");
    text
}

/// Nobody could read what a server complains of while it runs, nor why the one before it died.
#[tokio::test]
async fn what_a_server_says_can_be_read_while_it_runs_and_after_its_death() {
    let service = Service::start(&complaining("a", "")).await;
    let client = Client::open(&service, "a").await;
    let path = format!("/api/v1/connections/a/{}/stderr", only_session(&service).await);
    assert_eq!(said(&service, &path).await, "trouble is coming\n");
    let (status, error) = ask_json(&service, "GET", &format!("{path}?previous=true")).await;
    assert!(status == 404 && error["error"].as_str().unwrap().contains("before"), "{error}");

    client.text("flood", json!({ "stream": "stderr", "what": "lines", "bytes": 300 })).await;
    let all = said(&service, &path).await;
    assert!(all.len() > 300 && all.starts_with("trouble is coming\n"), "{all}");
    let last = said(&service, &format!("{path}?tail=1")).await;
    assert!(all.ends_with(&last) && last.lines().count() == 1, "{last}");

    client.call("crash", json!({})).await;
    client.pid().await;
    assert_eq!(said(&service, &format!("{path}?previous=true")).await, all);
    assert_eq!(said(&service, &path).await, "trouble is coming\n", "of the one that runs now");
}

/// A connection that has given up would take its last words with it.
#[tokio::test]
async fn a_stopped_connection_still_tells_what_its_last_server_said() {
    let service = Service::start(&complaining("a", "pool.max_error_count = 0")).await;
    let client = Client::open(&service, "a").await;
    let path = format!("/api/v1/connections/a/{}", only_session(&service).await);
    client.call("crash", json!({})).await;
    let stopped = async || {
        let (_, shown) = ask_json(&service, "GET", &path).await;
        (shown["phase"] == "stopped" && shown["pid"].is_null()).then_some(())
    };
    eventually("it is stopped", stopped).await;
    assert_eq!(said(&service, &format!("{path}/stderr")).await, "trouble is coming\n");
}

/// `logs -f` would end, or hang, at the very moment that one watches for.
#[tokio::test]
async fn a_follower_goes_on_with_the_server_that_comes_next() {
    let service = Service::start(&complaining("a", "")).await;
    let client = Client::open(&service, "a").await;
    let path = format!("/api/v1/connections/a/{}/stderr?follow=true&tail=1", only_session(&service).await);
    let mut followed = Ask::new("GET", &path).send(&service.admin).await;
    followed.reads("trouble is coming\n").await;
    client.text("flood", json!({ "stream": "stderr", "what": "lines", "bytes": 100 })).await;
    followed.reads("\n").await;
    client.call("crash", json!({})).await;
    let next = client.pid().await;
    followed.reads(&format!("==> mcpvisor: incarnation 2, pid {next} <==\ntrouble is coming\n")).await;
    assert_eq!(client.delete().await, 204);
    assert_eq!(followed.text().await, "", "it ends with the session");
}

/// Whoever looks in the wrong place would wait for something that never comes.
#[tokio::test]
async fn what_has_no_standard_error_says_so() {
    let upstream = Upstream::start().await;
    let service = Service::start(&format!("[backends.u]\nurl = {:?}\n", upstream.url)).await;
    let _client = Client::open(&service, "u").await;
    let path = format!("/api/v1/connections/u/{}/stderr", only_session(&service).await);
    let (status, error) = ask_json(&service, "GET", &path).await;
    assert!(status == 404 && error["error"].as_str().unwrap().contains("upstream"), "{error}");
    let (status, error) = ask_json(&service, "GET", &format!("{path}?previous=true&follow=true")).await;
    assert!(status == 400 && error["error"].as_str().unwrap().contains("previous"), "{error}");
}
