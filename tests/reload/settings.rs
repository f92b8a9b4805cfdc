//! Settings that change under those who obey them.

use serde_json::json;

use crate::common::{Ask, Client, Service, code, eventually, reason};
use crate::marked;

/// An operator who raises a limit would have to restart what it is the limit of.
#[tokio::test]
async fn limits_and_times_change_in_place() {
    let service = Service::start(&marked("a", "1", "")).await;
    let client = Client::open(&service, "a").await;
    let pid = client.pid().await;
    let settings = "pool.max_error_count = 77\ntimeouts.request = \"300ms\"\nlimits.max_in_flight = 1\nlimits.max_queued = 1";
    let report = service.reload(&marked("a", "1", settings)).await;
    assert_eq!((&report["changed"][0]["how"], &report["relaunched"]), (&json!("in_place"), &json!(0)));
    let connection = service.connections().await.pop().unwrap();
    assert_eq!(connection["max_error_count"], 77);
    let late = client.call("sleep", json!({ "ms": 20_000 })).await;
    assert_eq!((code(&late), reason(&late)), (-31003, "request"), "{late}");
    service.reload(&marked("a", "1", "limits.max_in_flight = 1\nlimits.max_queued = 1")).await;
    let (_, _, refused) = tokio::join!(
        client.call("sleep", json!({ "ms": 1500 })),
        async {
            service.in_flight(1).await;
            client.call("sleep", json!({ "ms": 1 })).await
        },
        async {
            let queued = async || service.connections().await.pop().filter(|one| one["queued"] == 1);
            eventually("one waits", queued).await;
            client.call("sleep", json!({ "ms": 1 })).await
        }
    );
    assert_eq!((code(&refused), reason(&refused)), (-31004, "queue"), "{refused}");
    assert_eq!(client.pid().await, pid);
    // Follows the general setting, which is no change of its own.
    let general = "[pool]\nidle_timeout = \"200ms\"\ncleanup_interval = \"50ms\"\n";
    let report = service.reload(&[general, &marked("a", "1", "")].concat()).await;
    assert_eq!(report["settings"], json!(["pool.idle_timeout", "pool.cleanup_interval"]), "{report}");
    eventually("it is evicted", async || service.connections().await.is_empty().then_some(())).await;
    assert_ne!(client.pid().await, pid);
}

/// Whoever wants to see more of a fault while it lasts would have to end it by a restart.
#[tokio::test]
async fn the_log_level_follows_and_one_that_is_none_changes_nothing() {
    let config = marked("a", "1", "");
    // The environment would have the last word.
    let folder = tempfile::TempDir::new().unwrap();
    let service = Service::start_with(folder, &config, &[], &[("RUST_LOG", "")]).await;
    let level = async || {
        let reply = Ask::new("GET", "/api/v1/log-level").send(&service.admin).await;
        reply.json().await["level"].as_str().unwrap().to_owned()
    };
    let before = level().await;
    let with = |level: &str| format!("[telemetry]\nlog_level = {level:?}\n{config}");
    let report = service.reload(&with("debug")).await;
    assert_eq!(report["settings"], json!(["telemetry.log_level"]), "{report}");
    assert_ne!(before, "debug");
    assert_eq!(level().await, "debug");
    crate::write(&service, &with("info,mcpvisor=nonsense"));
    let (status, report) = crate::ordered(&service, "").await;
    assert!(status == 422 && report.to_string().contains("telemetry.log_level"), "{report}");
    assert_eq!(level().await, "debug");
}

/// Somebody would wait for a change of a port that never comes.
#[tokio::test]
async fn what_needs_a_restart_is_named_and_left_as_it_is() {
    let config = marked("a", "1", "");
    let service = Service::start(&config).await;
    let report = {
        crate::write(
            &service,
            &["[gateway]\nworkers = 3\n[telemetry]\nlog_format = \"json\"\n", &config[..]].concat(),
        );
        crate::ordered(&service, "").await.1
    };
    assert_eq!(report["result"], "unchanged", "{report}");
    assert_eq!(report["needs_restart"], json!(["gateway.workers", "telemetry.log_format"]));
    assert_eq!(crate::ordered(&service, "").await.1, report, "the same again");
    let told = |log: String| log.lines().find(|line| line.contains("config.unchanged")).map(str::to_owned);
    let line = eventually("it is logged", async || told(service.log())).await;
    assert!(line.contains("gateway.workers"), "{line}");
}

/// Sessions that nobody uses would live as long as it said at the start.
#[tokio::test]
async fn sessions_live_as_long_as_it_says_now() {
    let config = marked("a", "1", "");
    let service = Service::start(&config).await;
    let client = Client::open(&service, "a").await;
    service.reload(&["[session]\nttl = \"200ms\"\n[limits]\nmax_sessions = 1\n", &config[..]].concat()).await;
    let sessions = r#"mcpvisor_sessions{backend="a"}"#;
    eventually("it is over", async || (service.metric(sessions).await == 0.0).then_some(())).await;
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 404);
    service.reload(&["[limits]\nmax_sessions = 1\n", &config[..]].concat()).await;
    let _one = Client::open(&service, "a").await;
    let (status, refused) = Client::try_open(&service, "a").await.err().unwrap();
    assert_eq!((status, reason(&refused)), (503, "sessions"), "{refused}");
}

/// A session would lose its memory to a setting that is for others, or find itself among strangers.
#[tokio::test]
async fn isolation_is_for_sessions_that_begin_from_then_on() {
    let service = Service::start(&marked("a", "1", "")).await;
    let before = [Client::open(&service, "a").await, Client::open(&service, "a").await];
    let pids = [before[0].pid().await, before[1].pid().await];
    service.reload(&marked("a", "1", "isolation = \"shared\"")).await;
    let after = [Client::open(&service, "a").await, Client::open(&service, "a").await];
    assert_eq!(after[0].pid().await, after[1].pid().await);
    assert_eq!([before[0].pid().await, before[1].pid().await], pids);
    service.reload(&marked("a", "1", "")).await;
    let own = Client::open(&service, "a").await.pid().await;
    assert!(own != after[0].pid().await && !pids.contains(&own));
    assert_eq!(after[0].pid().await, after[1].pid().await);
}
