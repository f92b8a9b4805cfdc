//! What the processes of a backend use.

use serde_json::json;

use crate::common::{Client, Page, Service, backend, eventually, exists, kill_9};

fn of(page: &Page, what: &str) -> f64 {
    page.value(&format!("mcpvisor_backend_{what}"), &[("backend", "a")])
}

async fn seen(service: &Service, what: &str, check: impl Fn(&Page) -> bool) -> Page {
    eventually(what, async || Some(service.page().await).filter(&check)).await
}

/// A server that leaks, or eats the machine, could not be found; and its CPU time would seem to run backwards when it is
/// replaced, which Prometheus takes for all of it being used once more.
#[tokio::test]
async fn memory_files_and_time_of_servers_and_of_what_they_start_are_shown_and_time_never_falls() {
    let service = Service::start(&backend("a", &["--grandchild"], "")).await;
    let client = Client::open(&service, "a").await;
    let pid = client.pid().await;
    for _ in 0..20 {
        client.text("big", json!({ "bytes": 1_000_000 })).await;
    }
    let first = seen(&service, "two processes are seen, and their time", |page| {
        of(page, "processes") == 2.0 && of(page, "cpu_seconds_total") > 0.0
    });
    let first = first.await;
    assert!(of(&first, "memory_bytes") > 1e6, "{first:?}");
    assert!(of(&first, "open_fds") >= 6.0, "three pipes each: {}", of(&first, "open_fds"));
    assert!(first.value("mcpvisor_backend_sample_age_seconds", &[]) < 30.0);

    kill_9(pid);
    eventually("it is gone", async || (!exists(pid)).then_some(())).await;
    assert_ne!(client.pid().await, pid);
    client.delete().await;
    let mut time = of(&first, "cpu_seconds_total");
    let last = seen(&service, "nothing is left", |page| of(page, "processes") == 0.0);
    let last = last.await;
    assert_eq!((of(&last, "memory_bytes"), of(&last, "open_fds")), (0.0, 0.0));
    assert!(of(&last, "cpu_seconds_total") >= time, "{last:?}");
    time = of(&last, "cpu_seconds_total");

    Client::open(&service, "a").await.pid().await;
    let again = seen(&service, "the next one is seen", |page| of(page, "processes") == 2.0).await;
    assert!(of(&again, "cpu_seconds_total") >= time, "{again:?}");
}
