//! What systemd is told of a reload.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::common::{Ask, Client, backend, text_of};
use crate::{Systemd, value};

/// `systemctl reload` would not know when it is done, or show how it went.
#[tokio::test]
async fn a_reload_begins_and_ends() {
    let systemd = Systemd::at_a_path();
    let service = systemd.starts(&backend("a", &[], ""), &[], &[]).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    for (config, said) in [(backend("b", &[], ""), "1 added, 1 removed"), ("nonsense".to_owned(), "refused")]
    {
        fs::write(service.path("mcpvisor.toml"), config).unwrap();
        service.signal(Signal::HUP);
        let begins = systemd.news().await;
        assert_eq!(value(&begins, "RELOADING"), "1");
        assert!(value(&begins, "MONOTONIC_USEC").parse::<u64>().unwrap() > 0);
        let ends = systemd.news().await;
        assert_eq!(value(&ends, "READY"), "1");
        assert!(value(&ends, "STATUS").contains(said), "{ends}");
    }
}

/// A service that stops would be taken for one that is ready.
#[tokio::test]
async fn nothing_is_said_of_a_reload_while_the_service_stops() {
    let systemd = Systemd::at_a_path();
    let mut service = systemd.starts(&backend("a", &[], ""), &[], &[]).await;
    assert_eq!(value(&systemd.next().await, "READY"), "1");
    let client = Client::open(&service, "a").await;
    let (slow, ()) = tokio::join!(client.call("sleep", json!({ "ms": 1000 })), async {
        service.in_flight(1).await;
        service.signal(Signal::TERM);
        assert_eq!(value(&systemd.news().await, "STOPPING"), "1");
        service.signal(Signal::HUP);
        let refused = Ask::new("POST", "/api/v1/reload").send(&service.admin).await;
        assert_eq!(refused.status, 503);
    });
    assert_eq!(text_of(&slow), "slept 1000 ms");
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(systemd.socket.try_recv(&mut [0; 64]).is_err(), "nothing after that");
}
