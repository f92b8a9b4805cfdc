//! What systemd is told of a reload.

use std::fs;

use rustix::process::Signal;

use crate::common::backend;
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
