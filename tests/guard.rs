//! Whatever kills the service, its guard or both: nothing of its servers is left, and nobody else's is touched.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Client, Service, backend, end, eventually, exists, kill_9, marked, open_files, processes_of};
use rustix::process::Signal;
use serde_json::json;

/// Servers that do not go by themselves, and take others with them: one in their group, one out of it.
const STUBBORN: &[&str] = &["--ignore-eof", "--ignore-term", "--grandchild", "--grandchild-setsid"];

/// What a killed service leaves is gone after this.
const PROMISE: Duration = Duration::from_secs(5);

/// The same servers without the marker in their environment: only who knows their group can end them.
fn unmarked(name: &str) -> String {
    let config = backend(name, &["--ignore-eof", "--ignore-term", "--grandchild"], "");
    config
        .replace("command = ", "command = \"/usr/bin/env\"\nargs = [\"-i\", ")
        .replace("\nargs = [\"mis", ", \"mis")
}

fn is_guard(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "mcpvisor-guard\n")
}

/// The guard of a service, once it is one: it takes its name when it is ready.
async fn guard_of(service: &Service) -> u32 {
    let guard =
        async || processes_of(service.pid()).into_iter().map(|(pid, _)| pid).find(|&pid| is_guard(pid));
    eventually("it has a guard", guard).await
}

/// The process behind a session and those it has started.
async fn family(client: &Client) -> Vec<u32> {
    let known = client.known("pid").await;
    let grandchildren = known["grandchildren"].as_array().unwrap();
    [&known["pid"]]
        .into_iter()
        .chain(grandchildren)
        .map(|pid| pid.as_u64().unwrap().try_into().unwrap())
        .collect()
}

fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until none of them lives, for as long as was promised.
async fn all_end(pids: &Pids) {
    let start = Instant::now();
    loop {
        let left: Vec<_> = pids.0.iter().filter(|pid| lives(**pid)).collect();
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < PROMISE, "left behind: {left:?} of {:?}", pids.0);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Processes that do not outlive the test, even if it fails.
struct Pids(Vec<u32>);

impl Drop for Pids {
    fn drop(&mut self) {
        self.0.iter().filter(|pid| lives(**pid)).for_each(|pid| end(*pid));
    }
}

async fn three_of_each(service: &Service) -> Pids {
    let mut pids = Pids(Vec::new());
    for name in ["stubborn", "unmarked"].repeat(3) {
        pids.0.extend(family(&Client::open(service, name).await).await);
    }
    assert_eq!(pids.0.len(), 3 * 3 + 3 * 2);
    assert_eq!(marked(&service.instance).len(), 3 * 3);
    pids
}

fn both_kinds() -> String {
    backend("stubborn", STUBBORN, "") + &unmarked("unmarked")
}

/// An out-of-memory kill of the service would fill the machine with servers that nobody talks to.
#[tokio::test]
async fn kill_9_of_the_service_leaves_nothing() {
    let mut service = Service::start(&both_kinds()).await;
    let guard = guard_of(&service).await;
    let pids = three_of_each(&service).await;
    // One that is stopped cannot even be asked to end.
    common::signal(pids.0[0], Signal::STOP);
    kill_9(service.pid());
    service.ended().await;
    all_end(&pids).await;
    service.nothing_is_left().await;
    eventually("the guard leaves too", async || (!lives(guard)).then_some(())).await;
}

/// A service that runs for weeks would collect what its servers have put out of their process group.
#[tokio::test]
async fn what_has_escaped_a_session_ends_with_the_session() {
    let quick_end = "timeouts.stdin_grace = \"100ms\"\ntimeouts.term_grace = \"100ms\"\n";
    let service = Service::start(&backend("stubborn", STUBBORN, quick_end)).await;
    let (first, second) =
        (Client::open(&service, "stubborn").await, Client::open(&service, "stubborn").await);
    let (of_first, of_second) = (Pids(family(&first).await), Pids(family(&second).await));
    assert_eq!(first.delete().await, 204);
    all_end(&of_first).await;
    assert!(of_second.0.iter().all(|pid| lives(*pid)), "the other session is not over");
    assert!(second.text("echo", json!({ "message": "hi" })).await.contains("hi"));
}

/// The promise would hold until something kills the guard, and nobody would notice.
#[tokio::test]
async fn a_killed_guard_is_replaced_by_one_that_knows_everything() {
    let mut service = Service::start(&both_kinds()).await;
    let pids = three_of_each(&service).await;
    assert_eq!(service.metric("mcpvisor_guard_restarts_total").await, 0.0);
    let first = guard_of(&service).await;
    kill_9(first);
    let replaced = async || (service.metric("mcpvisor_guard_restarts_total").await == 1.0).then_some(());
    eventually("it is replaced", replaced).await;
    let second = guard_of(&service).await;
    assert_ne!(first, second);
    assert!(service.log().contains("guard.died"));
    assert!(pids.0.iter().all(|pid| lives(*pid)), "no server has noticed");
    kill_9(service.pid());
    service.ended().await;
    all_end(&pids).await;
    service.nothing_is_left().await;
}

/// Whatever kills everything of ours at once would leave servers until somebody ends them by hand.
#[tokio::test]
async fn the_next_start_ends_what_both_had_to_leave() {
    let mut service = Service::start(&backend("stubborn", STUBBORN, "")).await;
    let pids = Pids(
        [
            family(&Client::open(&service, "stubborn").await).await,
            family(&Client::open(&service, "stubborn").await).await,
        ]
        .concat(),
    );
    let (guard, instance) = (guard_of(&service).await, service.instance.clone());
    // Stopped, it cannot start another guard.
    service.signal(Signal::STOP);
    kill_9(guard);
    kill_9(service.pid());
    service.ended().await;
    assert_eq!(marked(&instance).len(), 6, "nobody is left to end them");

    service.start_again().await;
    assert!(!pids.0.iter().any(|pid| lives(*pid)), "before it serves");
    assert_eq!(service.metric("mcpvisor_orphans_reaped_total").await, 6.0);
    assert!(service.log().contains("service.swept"));
    assert_eq!(
        fs::read_to_string(service.path("state/instances")).unwrap(),
        format!("{}\n", service.instance)
    );

    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(!service.path("state/instances").exists(), "after an orderly end there is nothing to look for");
}

/// The death of one service, or its restart, would take down another of the same user.
#[tokio::test]
async fn services_do_not_touch_the_servers_of_one_another() {
    let config = both_kinds();
    let (mut one, other) = (Service::start(&config).await, Service::start(&config).await);
    let (of_one, of_other) = (three_of_each(&one).await, three_of_each(&other).await);
    let client = Client::open(&other, "stubborn").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    kill_9(one.pid());
    one.ended().await;
    all_end(&of_one).await;
    one.start_again().await;
    one.signal(Signal::TERM);
    assert_eq!(one.ended().await.code(), Some(0));
    assert!(of_other.0.iter().all(|pid| lives(*pid)));
    assert_eq!(client.text("counter", json!({})).await, "2");
    assert_eq!(other.metric("mcpvisor_guard_restarts_total").await, 0.0, "its guard neither");
}

/// Ctrl-C in a terminal, or a `systemctl stop`, would end the guard before the service that it guards; and whoever looks for
/// leftovers would find the guard.
#[tokio::test]
async fn the_guard_stays_to_the_end_of_a_drain_and_no_longer() {
    let mut service = Service::start(&backend("a", &[], "")).await;
    let guard = guard_of(&service).await;
    let stat = fs::read_to_string(format!("/proc/{guard}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let own = guard.to_string();
    assert_eq!(
        (fields[2], fields[3]),
        (&*own, &*own),
        "a terminal's Ctrl-C goes to the service's group and session"
    );
    assert_eq!(open_files(guard), 3, "its pipe, and twice /dev/null");
    assert!(!marked(&service.instance).contains(&guard), "no sweep finds it");

    let client = Client::open(&service, "a").await;
    let (answer, ()) = tokio::join!(client.call("sleep", json!({ "ms": 1000 })), async {
        service.in_flight(1).await;
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            common::signal(guard, signal);
        }
        service.signal(Signal::INT);
        eventually("it drains", async || (service.get("/readyz").await.status == 503).then_some(())).await;
        assert!(lives(guard));
    });
    assert_eq!(common::text_of(&answer), "slept 1000 ms");
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(!exists(guard), "it has left before the service");
    assert!(!service.log().contains("guard.died"));
}

/// Who is in a hurry would be left with what has escaped from its group.
#[tokio::test]
async fn a_second_signal_leaves_no_escapee() {
    let flags = [STUBBORN, &["--no-answer"]].concat();
    let mut service = Service::start(&backend("a", &flags, "")).await;
    let client = Client::open(&service, "a").await;
    let pids = Pids(family(&client).await);
    let call = client.message("tools/call", json!({ "name": "silent", "arguments": {} })).to_string();
    let (ask, address) = (client.ask(call), service.main.clone());
    let cut = tokio::spawn(async move { ask.send(&address).await });
    service.in_flight(1).await;
    service.signal(Signal::TERM);
    eventually("it drains", async || (service.get("/readyz").await.status == 503).then_some(())).await;
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(1));
    all_end(&pids).await;
    cut.abort();
}
