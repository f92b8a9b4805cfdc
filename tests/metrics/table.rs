//! Names, types, labels: those of a real run are those of the table.

use std::collections::BTreeSet;

use mcpvisor::telemetry::catalogue;
use mcpvisor_actors::metrics::{Label, MetricKind, MetricSpec, Scope, Values};
use serde_json::json;

use crate::common::{Ask, Client, Page, Service, Upstream, all, backend, eventually};

const BACKENDS: [&str; 2] = ["a", "b"];

/// The labels that a series has without `telemetry.tool_labels`.
fn always(spec: &MetricSpec) -> impl Iterator<Item = &Label> {
    spec.labels.iter().filter(|label| label.values != Values::Tools)
}

/// Nothing on the page is outside of the table.
fn assert_nothing_else(page: &Page) {
    for (name, family) in &page.families {
        let spec = catalogue::all().find(|spec| spec.name == name);
        let spec = spec.unwrap_or_else(|| panic!("{name} is not in the table"));
        let kind = match spec.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        assert_eq!((&*family.kind, &*family.help), (kind, spec.help), "{name}");
        for (series, labels, _) in &family.series {
            let besides = if series.ends_with("_bucket") { Some("le") } else { None };
            let promised: BTreeSet<_> = always(spec).map(|label| label.name).chain(besides).collect();
            let found: BTreeSet<_> = labels.keys().map(String::as_str).collect();
            assert_eq!(found, promised, "labels of {series}");
            for label in always(spec) {
                let value = labels[label.name].as_str();
                let known = match label.values {
                    Values::Closed(values) => values.contains(&value),
                    Values::Backends => BACKENDS.contains(&value),
                    Values::Bounded(_) | Values::Tools => true,
                };
                assert!(known, "{series}: {} = {value:?}", label.name);
            }
        }
    }
}

/// Everything that is to be there from the start is, with each combination of label values.
fn assert_nothing_missing(page: &Page) {
    for spec in catalogue::all().filter(|spec| spec.scope != Scope::Seen) {
        let count = match spec.scope {
            Scope::Backend => spec.series() * BACKENDS.len(),
            Scope::Service | Scope::Seen => spec.series(),
        };
        // A machine may have no limit.
        if spec.name != "process_max_fds" {
            let found = page.families.get(spec.name).map_or(0, |family| family.series.len());
            assert_eq!(found, count, "{}: {:?}", spec.name, page.families.get(spec.name));
        }
    }
}

fn is_about_now(spec: &MetricSpec) -> bool {
    let now = ["process_", "mcpvisor_runtime_", "mcpvisor_actor", "mcpvisor_mailbox_", "mcpvisor_build_"];
    let settings = ["mcpvisor_connections_limit", "mcpvisor_errors_limit", "mcpvisor_config_last_"];
    now.iter().chain(&settings).any(|start| spec.name.starts_with(start))
        || spec.name == "mcpvisor_backend_sample_age_seconds"
}

/// A dashboard would be empty until something goes wrong, and a counter that is born at one never trips an alert.
#[tokio::test]
async fn everything_in_the_table_is_there_from_zero_and_nothing_else_ever() {
    let upstream = Upstream::start().await;
    let config = [
        backend("a", &["--fault-tools"], ""),
        format!("[backends.b]\nurl = {:?}\n", upstream.url),
        "[backends.off]\ncommand = \"x\"\ndisabled = true\n".to_owned(),
    ];
    let service = Service::start(&config.concat()).await;
    let before = service.page().await;
    assert_nothing_missing(&before);
    assert_nothing_else(&before);
    for spec in catalogue::all().filter(|spec| spec.scope != Scope::Seen && !is_about_now(spec)) {
        let family = &before.families[spec.name];
        assert!(family.series.iter().all(|(.., value)| *value == 0.0), "{}: {family:?}", spec.name);
    }

    for name in BACKENDS {
        let client = Client::open(&service, name).await;
        client.request("tools/list", json!({})).await;
        client.call("fail", json!({})).await;
        client.call("refuse", json!({})).await;
        client.request("made/up", json!({})).await;
        client.call("crash", json!({})).await;
        client.delete().await;
    }
    Ask::mcp("/mcp/nobody", "{}").send(&service.main).await;
    let gone = async || service.connections().await.is_empty().then_some(());
    eventually("the connections are gone", gone).await;
    let after = service.page().await;
    assert_nothing_missing(&after);
    assert_nothing_else(&after);
    for spec in catalogue::all() {
        assert!(after.families.contains_key(spec.name), "{} was never seen", spec.name);
    }
}

/// A scraper would drown: every session made a series of its own.
#[tokio::test]
async fn there_are_as_many_series_after_a_thousand_sessions_as_after_ten() {
    let upstream = Upstream::start().await;
    let service = Service::start(&format!("[backends.b]\nurl = {:?}\n", upstream.url)).await;
    let visit = async || {
        let client = Client::open(&service, "b").await;
        client.call("any", json!({})).await;
        client.delete().await;
    };
    for _ in 0..10 {
        visit().await;
    }
    let few = service.page().await.names();
    all((0..10).map(|_| async {
        for _ in 0..99 {
            visit().await;
        }
    }))
    .await;
    let page = service.page().await;
    assert_eq!(page.value("mcp_server_session_duration_seconds_count", &[("backend", "b")]), 1000.0);
    let new: Vec<_> = page.names().difference(&few).cloned().collect();
    assert!(new.is_empty(), "{new:#?}");
}
