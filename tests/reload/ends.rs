//! What becomes of backends that are gone.

use serde_json::json;

use crate::common::{Client, Service, code, eventually, exists, reason, text_of};
use crate::marked;

/// Taking a server out would cut off calls that were nearly done, or leave it running for sessions that nobody can use.
#[tokio::test]
async fn a_removed_backend_finishes_what_it_has_and_then_its_sessions_are_gone() {
    let kept = marked("kept", "1", "");
    let service = Service::start(&[&kept[..], &marked("gone", "1", "")].concat()).await;
    let (busy, idle) = (Client::open(&service, "gone").await, Client::open(&service, "gone").await);
    let (of_busy, of_idle) = (busy.pid().await, idle.pid().await);
    let mut stream = idle.stream().await;
    let (slow, report) = tokio::join!(busy.call("sleep", json!({ "ms": 1500 })), async {
        service.in_flight(1).await;
        let report = service.reload(&kept).await;
        for client in [&busy, &idle] {
            assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 404);
        }
        assert!(stream.message().await.is_none(), "its stream ends");
        let (status, refused) = Client::try_open(&service, "gone").await.err().unwrap();
        assert_eq!(status, 404, "{refused}");
        report
    });
    assert_eq!(text_of(&slow), "slept 1500 ms");
    assert_eq!((&report["removed"], &report["ended"]), (&json!(["gone"]), &json!(2)), "{report}");
    for pid in [of_busy, of_idle] {
        eventually("its processes end", async || (!exists(pid)).then_some(())).await;
    }
    eventually("nothing is listed", async || service.connections().await.is_empty().then_some(())).await;
    let health = service.get("/health").await.json().await;
    assert_eq!(health["servers"].as_object().unwrap().keys().collect::<Vec<_>>(), ["kept"]);
    let page = service.metrics().await;
    assert!(!page.contains("backend=\"gone\"") && page.contains("backend=\"kept\""), "{page}");
}

/// A call that never ends would keep a server that was taken out.
#[tokio::test]
async fn what_is_in_flight_at_a_removed_backend_for_too_long_is_told_why() {
    let drain = "[gateway]\ndrain_timeout = \"1s\"\n";
    let service = Service::start(&[drain, &marked("gone", "1", "")].concat()).await;
    let client = Client::open(&service, "gone").await;
    let (told, _) = tokio::join!(client.call("sleep", json!({ "ms": 60_000 })), async {
        service.in_flight(1).await;
        service.reload(drain).await
    });
    assert_eq!((code(&told), reason(&told)), (-31007, "removed"), "{told}");
    service.nothing_is_left().await;
}

/// A session whose server was evicted would wake up on a backend of the same name that is another.
#[tokio::test]
async fn a_session_without_a_process_ends_too_and_does_not_come_back_with_its_backend() {
    let evicted = "[pool]\nidle_timeout = \"100ms\"\ncleanup_interval = \"50ms\"\n";
    let config = [evicted, &marked("a", "1", "")].concat();
    let service = Service::start(&config).await;
    let client = Client::open(&service, "a").await;
    eventually("it is evicted", async || service.connections().await.is_empty().then_some(())).await;
    service.reload(evicted).await;
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 404);
    service.reload(&config).await;
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 404);
    assert_eq!(service.metric(r#"mcpvisor_sessions{backend="a"}"#).await, 0.0);
    let again = Client::open(&service, "a").await;
    assert_eq!(again.text("env", json!({ "name": "MARK" })).await, "1");
}

/// A backend that is switched off would be served on, and one that is switched on not.
#[tokio::test]
async fn disabled_is_as_good_as_gone() {
    let off = marked("a", "1", "disabled = true");
    let service = Service::start(&marked("a", "1", "")).await;
    let client = Client::open(&service, "a").await;
    assert_eq!(service.reload(&off).await["removed"], json!(["a"]));
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 404);
    assert_eq!(service.reload(&marked("a", "2", "")).await["added"], json!(["a"]));
    assert_eq!(Client::open(&service, "a").await.text("env", json!({ "name": "MARK" })).await, "2");
}

/// A reload that comes while the service ends would start what nobody ends any more.
#[tokio::test]
async fn a_reload_while_the_service_drains_is_refused() {
    let mut service = Service::start(&marked("a", "1", "")).await;
    let client = Client::open(&service, "a").await;
    let (slow, (status, report)) = tokio::join!(client.call("sleep", json!({ "ms": 1500 })), async {
        service.in_flight(1).await;
        service.signal(rustix::process::Signal::TERM);
        let draining = async || (service.get("/readyz").await.status == 503).then_some(());
        eventually("it drains", draining).await;
        crate::write(&service, &marked("a", "2", ""));
        // Now neither this nor a SIGHUP means anything.
        service.signal(rustix::process::Signal::HUP);
        crate::ordered(&service, "").await
    });
    assert_eq!((status, &report["result"]), (503, &json!("ending")), "{report}");
    assert_eq!(text_of(&slow), "slept 1500 ms");
    assert_eq!(service.ended().await.code(), Some(0));
}
