//! Two hundred sessions, ended in every way there is, leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::cell::Cell;
use std::ops::Range;
use std::time::Duration;

use common::{Ask, Client, Service, backend, code, eventually, exists, kill_9, open_files, zombies_of};
use rustix::process::Signal;
use serde_json::json;

/// Sessions that begin at once; more would only wait for one another.
const AT_ONCE: usize = 10;
/// File descriptors that may be open besides those of the start: connections of this test that close just now.
const HANDFUL: usize = 8;

/// Servers that do not go by themselves, and take others with them.
const STUBBORN: &[&str] =
    &["--ignore-eof", "--ignore-term", "--grandchild", "--grandchild-setsid", "--crash-tool"];

fn config() -> String {
    let quick_end = "timeouts.stdin_grace = \"100ms\"\ntimeouts.term_grace = \"100ms\"\n";
    let stubborn = |name: &str, more: &[&str], settings: &str| {
        backend(name, &[STUBBORN, more].concat(), &format!("{quick_end}{settings}"))
    };
    [
        "[session]\nttl = \"3s\"\n[pool]\ncleanup_interval = \"200ms\"\n".to_owned(),
        backend("polite", &[], quick_end),
        stubborn("stubborn", &[], ""),
        stubborn("idle", &[], "pool.idle_timeout = \"300ms\""),
        stubborn(
            "hangs",
            &["--hang-initialize"],
            "timeouts.launch = \"500ms\"\nlimits.breaker_threshold = 1000",
        ),
        stubborn("slow", &["--slow-start", "600"], ""),
        stubborn(
            "dies",
            &["--die-after-handshake"],
            "pool.max_error_count = 1\nlimits.breaker_threshold = 1000",
        ),
    ]
    .concat()
}

/// One session from its beginning to its end, which is another for each number.
async fn live_and_end(service: &Service, number: usize) {
    match number % 10 {
        0 => {
            let client = Client::open(service, "polite").await;
            client.text("echo", json!({ "message": "hi" })).await;
            assert_eq!(client.delete().await, 204);
        }
        1 => {
            let client = Client::open(service, "stubborn").await;
            client.text("echo", json!({ "message": "hi" })).await;
            assert_eq!(client.delete().await, 204);
        }
        // Its server is evicted, the session forgotten later.
        2 => {
            let pid = Client::open(service, "idle").await.pid().await;
            eventually("it is evicted", async || (!exists(pid)).then_some(())).await;
        }
        // The same, but it comes back in between, and its client ends it.
        3 => {
            let client = Client::open(service, "idle").await;
            let pid = client.pid().await;
            eventually("it is evicted", async || (!exists(pid)).then_some(())).await;
            assert_ne!(client.pid().await, pid);
            assert_eq!(client.delete().await, 204);
        }
        // Its client vanishes and is never heard of again.
        4 => drop(Client::open(service, "stubborn").await.stream().await),
        5 => {
            let client = Client::open(service, "stubborn").await;
            assert_eq!(code(&client.call("crash", json!({})).await), -31001);
            client.text("echo", json!({ "message": "hi" })).await;
            assert_eq!(client.delete().await, 204);
        }
        6 => {
            let client = Client::open(service, "stubborn").await;
            kill_9(client.pid().await);
            assert_eq!(client.delete().await, 204);
        }
        7 => {
            let initialize = Client::initialize("2025-11-25", json!({})).to_string();
            let answer = Ask::mcp("/mcp/hangs", initialize).send_patiently(&service.main).await.json().await;
            assert!([-31006, -31004].contains(&code(&answer)), "{answer}");
        }
        // Its client leaves before it has begun.
        8 => {
            let initialize = Client::initialize("2025-11-25", json!({})).to_string();
            let asked = Ask::mcp("/mcp/slow", initialize).send_patiently(&service.main);
            let _ = tokio::time::timeout(Duration::from_millis(300), asked).await;
        }
        // It is stopped at its limit, and then forgotten.
        _ => drop(Client::open(service, "dies").await),
    }
}

/// A service that runs for weeks would run out of processes, memory or file descriptors.
#[tokio::test]
async fn two_hundred_sessions_leave_nothing_behind() {
    let mut service = Service::start(&config()).await;
    // What is there once is there for good: the first session shows it.
    live_and_end(&service, 0).await;
    settled(&service).await;
    let files_before = open_files(service.pid());

    let next = Cell::new(0..180);
    let worker = || async {
        while let Some(number) = take(&next) {
            live_and_end(&service, number).await;
        }
    };
    common::all((0..AT_ONCE).map(|_| worker())).await;
    settled(&service).await;
    service.nothing_is_left().await;
    assert_eq!(zombies_of(service.pid()), [] as [u32; 0]);
    let few = async || (open_files(service.pid()) <= files_before + HANDFUL).then_some(());
    eventually("its file descriptors are closed", few).await;
    let evictions = service.metric(r#"mcpvisor_idle_evictions_total{backend="idle"}"#).await;
    assert!(evictions >= 36.0, "{evictions}");

    // The last ones are there when the service ends.
    let mut streams = Vec::new();
    for name in ["polite", "stubborn"].repeat(10) {
        let client = Client::open(&service, name).await;
        streams.push(client.stream().await);
    }
    assert_eq!(common::marked(&service.instance).len(), 40, "ten polite ones, and ten with two of their own");
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

/// Nothing is connected, no session is known.
async fn settled(service: &Service) {
    let nothing = async || service.connections().await.is_empty().then_some(());
    eventually("no connection is left", nothing).await;
    for name in ["polite", "stubborn", "idle", "hangs", "slow", "dies"] {
        let series = format!("mcpvisor_sessions{{backend={name:?}}}");
        eventually(&series, async || (service.metric(&series).await == 0.0).then_some(())).await;
    }
}

fn take(numbers: &Cell<Range<usize>>) -> Option<usize> {
    let mut left = numbers.take();
    let next = left.next();
    numbers.set(left);
    next
}
