//! How fast requests may come.

use std::time::Duration;

use serde_json::{Value, json};

use super::{config, is_refused, open, reached};
use crate::common::{Ask, Client, Service, all, backend};

fn ping(id: u32) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })
}

/// How many of so many at once are answered.
async fn answered(client: &Client, times: u32) -> usize {
    let statuses = all((0..times).map(async |id| client.post(&ping(id)).await.status)).await;
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

/// One client in a loop would take the backend from all others.
#[tokio::test]
async fn a_principal_in_a_loop_is_told_when_to_come_again_and_the_others_do_not_notice() {
    let rate = "[backends.a]\nlimits.requests_per_second = 2\nlimits.burst = 6\n";
    let text = config("").replace("[backends.a]\n", rate);
    let service = Service::start(&[text, backend("b", &[], "")].concat()).await;
    let elsewhere = Client::open_with(&service, "b", "alice-key", json!({})).await;
    let (alice, bob) = (open(&service, "alice").await, open(&service, "bob").await);
    let served = answered(&alice, 30).await;
    assert!((1..=10).contains(&served), "{served} of 30");
    let body = is_refused(alice.post(&ping(1)).await, 429, "limits.requests_per_second", 2).await;
    assert_eq!((body["id"].as_u64(), &body["error"]["data"]["reason"]), (Some(1), &json!("rate")), "{body}");
    let wait = body["error"]["data"]["retry_after_ms"].as_u64().unwrap();
    assert!(wait <= 500, "at two in a second one comes within half of one: {wait}");
    assert_eq!(answered(&bob, 3).await, 3, "bob has a rate of his own");
    assert_eq!(answered(&elsewhere, 30).await, 30, "and so has each backend");
    tokio::time::sleep(Duration::from_millis(wait)).await; // as told
    assert_eq!(alice.post(&ping(2)).await.status, 200);
    assert!(reached(&service, "limits.requests_per_second").await >= 20.0);
}

/// Whoever has a rate for everything would ask each backend as fast as all together may be asked.
#[tokio::test]
async fn a_principal_has_one_rate_for_all_backends_and_a_reload_changes_it() {
    let with = |rate: &str| [config(&format!("[principal_limits]\n{rate}")), backend("b", &[], "")].concat();
    let service = Service::start(&with("requests_per_second = 1\nburst = 5\n")).await;
    let alice = open(&service, "alice").await;
    let elsewhere = Client::open_with(&service, "b", "alice-key", json!({})).await;
    let served = answered(&alice, 20).await + answered(&elsewhere, 20).await;
    assert!((1..=8).contains(&served), "{served} of 40");
    is_refused(elsewhere.post(&ping(1)).await, 429, "principal_limits.requests_per_second", 1).await;
    assert_eq!(answered(&open(&service, "bob").await, 3).await, 3);
    std::fs::write(service.path("mcpvisor.toml"), with("")).unwrap();
    let reloaded = Ask::new("POST", "/api/v1/reload").send(&service.admin).await.json().await;
    let changed = json!(["principal_limits.requests_per_second", "principal_limits.burst"]);
    assert_eq!(reloaded["settings"], changed, "{reloaded}");
    assert_eq!(answered(&alice, 30).await, 30);
}
