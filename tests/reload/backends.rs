//! What becomes of backends: those that are the same, have changed, or are new.

use serde_json::json;

use crate::common::{Client, Service, all, code, eventually, exists, reason, text_of};
use crate::marked;

async fn mark(client: &Client) -> String {
    client.text("env", json!({ "name": "MARK" })).await
}

/// Whoever adds a server would cut off everybody who uses the others.
#[tokio::test]
async fn a_backend_that_is_the_same_keeps_its_process_and_its_call_in_flight() {
    let same = marked("same", "1", "");
    let service = Service::start(&[&same[..], &marked("other", "1", "")].concat()).await;
    let (client, other) = (Client::open(&service, "same").await, Client::open(&service, "other").await);
    let (before, replaced) = (client.pid().await, other.pid().await);
    let config = [&same[..], &marked("other", "2", ""), &marked("new", "1", "")].concat();
    let (slow, report) = tokio::join!(client.call("sleep", json!({ "ms": 1500 })), async {
        service.in_flight(1).await;
        service.reload(&config).await
    });
    assert_eq!(text_of(&slow), "slept 1500 ms");
    assert_eq!(client.pid().await, before);
    assert_eq!((&report["added"], &report["relaunched"]), (&json!(["new"]), &json!(1)), "{report}");
    let changed = json!([{ "name": "other", "keys": ["env.MARK"], "how": "relaunch" }]);
    assert_eq!(report["changed"], changed);
    assert_eq!(mark(&other).await, "2");
    assert_ne!(other.pid().await, replaced);
    // Served at once, and counted from zero.
    assert_eq!(service.metric(r#"mcpvisor_launches_total{backend="new",result="ok"}"#).await, 0.0);
    assert_eq!(mark(&Client::open(&service, "new").await).await, "1");
}

/// A new token would cost every client its session, or the call that it waits for.
#[tokio::test]
async fn a_changed_backend_is_replaced_once_it_is_idle_and_its_session_goes_on() {
    let service = Service::start(&marked("a", "1", "")).await;
    let client = Client::open(&service, "a").await;
    let before = client.pid().await;
    let arguments = json!({ "name": "progress", "arguments": { "steps": 5, "ms": 200 }, "_meta": { "progressToken": "t" } });
    let streaming = client.message("tools/call", arguments);
    let (messages, waiting) = tokio::join!(async { client.post(&streaming).await.messages().await }, async {
        service.in_flight(1).await;
        service.reload(&marked("a", "2", "")).await;
        // It came later, and waits for the new one.
        mark(&client).await
    });
    let methods = messages.iter().filter(|message| message["method"] == "notifications/progress").count();
    assert_eq!(methods, 6, "{messages:?}");
    assert!(messages.last().unwrap()["result"].is_object(), "{messages:?}");
    assert_eq!(waiting, "2");
    assert_ne!(client.pid().await, before);
    eventually("the old process is gone", async || (!exists(before)).then_some(())).await;
    let connection = service.connections().await.pop().unwrap();
    assert_eq!((&connection["error_count"], &connection["restarts"]), (&json!(0), &json!(1)));
    assert_eq!(service.metric(r#"mcpvisor_restarts_total{backend="a",reason="reload"}"#).await, 1.0);
    assert_eq!(service.metric(r#"mcpvisor_config_reloads_total{result="ok"}"#).await, 1.0);
}

/// A call that never ends would keep what was taken out of the configuration running for ever.
#[tokio::test]
async fn what_is_in_flight_for_too_long_is_cut_with_a_typed_error_and_the_session_goes_on() {
    let drain = "[gateway]\ndrain_timeout = \"1s\"\n";
    let service = Service::start(&[drain, &marked("a", "1", "")].concat()).await;
    let client = Client::open(&service, "a").await;
    let (cut, _) = tokio::join!(client.call("sleep", json!({ "ms": 60_000 })), async {
        service.in_flight(1).await;
        service.reload(&[drain, &marked("a", "2", "")].concat()).await
    });
    assert_eq!((code(&cut), reason(&cut)), (-31001, "exit"), "{cut}");
    assert!(cut["error"]["message"].as_str().unwrap().contains("reload"), "{cut}");
    assert_eq!(mark(&client).await, "2");
}

/// Sessions that share a process would be lost with it.
#[tokio::test]
async fn sessions_that_share_a_process_get_the_new_one_together() {
    let shared = |mark: &str, name: &str| {
        marked("a", mark, &format!("isolation = \"shared\"\nclient_profile = {{ name = {name:?} }}"))
    };
    let service = Service::start(&shared("1", "one")).await;
    let clients = [Client::open(&service, "a").await, Client::open(&service, "a").await];
    let before = clients[0].pid().await;
    assert_eq!(clients[1].pid().await, before);
    service.reload(&shared("2", "two")).await;
    let marks = all(clients.iter().map(mark)).await;
    assert_eq!(marks, ["2", "2"]);
    assert_eq!(clients[0].pid().await, clients[1].pid().await);
    let handshake = clients[0].text("handshake", json!({})).await;
    assert!(handshake.contains("two") && !handshake.contains("\"one\""), "{handshake}");
}

/// A process in reserve would be given to a session with the settings of before.
#[tokio::test]
async fn what_was_kept_in_reserve_is_thrown_away() {
    let service = Service::start(&marked("a", "1", "warm = 1")).await;
    let warm =
        async || (service.metric(r#"mcpvisor_spares{backend="a",state="warm"}"#).await == 1.0).then_some(());
    eventually("a spare is warm", warm).await;
    service.reload(&marked("a", "2", "warm = 1")).await;
    assert_eq!(mark(&Client::open(&service, "a").await).await, "2");
    eventually("another is warm", warm).await;
    let used = service.metric(r#"mcpvisor_spares_used_total{backend="a",result="ok"}"#).await;
    assert_eq!(mark(&Client::open(&service, "a").await).await, "2");
    assert_eq!(service.metric(r#"mcpvisor_spares_used_total{backend="a",result="ok"}"#).await, used + 1.0);
    service.reload(&marked("a", "2", "")).await;
    let none =
        async || (service.metric(r#"mcpvisor_spares{backend="a",state="warm"}"#).await == 0.0).then_some(());
    eventually("none is kept", none).await;
}

/// Who repairs a command would have to wait for the cooldown of the broken one.
#[tokio::test]
async fn a_connection_that_was_stopped_at_its_limit_starts_with_the_new_command() {
    let limit = "pool.max_error_count = 0\npool.cooldown = \"1h\"\npool.cooldown_max = \"1h\"";
    let service = Service::start(&marked("a", "1", limit)).await;
    let client = Client::open(&service, "a").await;
    client.call("crash", json!({})).await;
    let refused = client.call("echo", json!({ "message": "x" })).await;
    assert_eq!(reason(&refused), "cooling", "{refused}");
    service.reload(&marked("a", "2", limit)).await;
    assert_eq!(mark(&client).await, "2");
}

/// An operator's stop would be forgotten by whatever else is reloaded, or outlive the repair that it was for.
#[tokio::test]
async fn an_operators_stop_is_taken_back_by_a_reload_that_changes_the_backend_and_by_no_other() {
    let service = Service::start(&marked("a", "1", "")).await;
    let client = Client::open(&service, "a").await;
    let stop = crate::common::Ask::new("POST", "/api/v1/backends/a/stop");
    assert_eq!(stop.send(&service.admin).await.status, 200);
    let stopped =
        async || reason(&client.call("echo", json!({ "message": "x" })).await) == "stopped_by_operator";
    assert!(stopped().await);
    service.reload(&["[pool]\nidle_timeout = \"20m\"\n", &marked("a", "1", "")].concat()).await;
    assert!(stopped().await);
    service.reload(&marked("a", "2", "")).await;
    assert_eq!(mark(&client).await, "2");
}
