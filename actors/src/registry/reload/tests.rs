//! A running tree and another configuration, with servers that every machine has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use mcpvisor_config::{Config, LoadRequest, Source};
use tokio_util::sync::CancellationToken;

use crate::error::EndCause;
use crate::launcher::{Launcher, ReloadRefused};
use crate::metadata::ConnectionMetadata;
use crate::registry::{RegistryMsg, Reloaded};
use crate::route::{Route, SessionEvent, SessionSink};
use crate::session_record::SessionRecord;

/// Shakes hands and says nothing more; `settings` are further lines.
fn server(name: &str, mark: &str, settings: &str) -> String {
    let script = r#"read line; echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}}"; cat >/dev/null"#;
    format!("[backends.{name}]\ncommand = \"sh\"\nargs = [\"-c\", '''{script}''', {mark:?}]\n{settings}\n")
}

fn config(text: &str) -> Config {
    let files = vec![Source::Text { name: "t.toml".into(), text: text.to_owned() }];
    mcpvisor_config::load(LoadRequest { files, ..LoadRequest::default() }).unwrap().config
}

async fn launcher(text: &str) -> Launcher {
    Launcher::new(config(text), CancellationToken::new()).await.unwrap()
}

async fn eventually(launcher: &Launcher, mut check: impl FnMut(&[ConnectionMetadata]) -> bool) {
    for _ in 0..2000 {
        if check(&launcher.list().await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {:?}", launcher.list().await);
}

async fn fail_registry(launcher: &Launcher) {
    assert!(launcher.address().send(RegistryMsg::Panic).is_ok());
    next_registry(launcher).await;
}

/// What the one that fails is asked, nobody answers.
async fn next_registry(launcher: &Launcher) {
    while !launcher.alive(Duration::from_secs(10)).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Counts the ends that it is told of.
#[derive(Clone, Default)]
struct Ends(Arc<AtomicUsize>);

impl SessionSink for Ends {
    fn deliver(&self, event: SessionEvent) {
        if let SessionEvent::Ended(EndCause::Removed) = event {
            self.0.fetch_add(1, Relaxed);
        }
    }
}

/// A session of a client that has been answered.
async fn session(launcher: &Launcher, backend: &str, name: &str, ends: &Ends) -> Route {
    let initialize = crate::message::request(0, "initialize", &serde_json::json!({}));
    let record = SessionRecord::new("p", initialize);
    let route = launcher.route(backend, name, record, Box::new(ends.clone())).unwrap();
    assert!(route.attach().await.unwrap().accepted);
    route
}

/// After a bug of ours the service would serve what was configured at its start, and nobody would know.
#[tokio::test]
async fn what_was_reloaded_survives_the_registry() {
    let launcher = launcher(&[server("a", "1", ""), server("gone", "1", "")].concat()).await;
    launcher.get_or_launch_for_session("gone", "s").await.unwrap();
    let wanted = [server("a", "2", "pool.max_error_count = 7"), server("new", "1", "")].concat();
    let reloaded = launcher.reload(config(&wanted)).await.unwrap();
    assert_eq!(reloaded, Reloaded { relaunched: 0, ended: 1 });
    fail_registry(&launcher).await;
    launcher.get_or_launch_for_session("new", "s").await.unwrap();
    launcher.get_or_launch_for_session("a", "s").await.unwrap();
    let list = launcher.list().await;
    assert!(list.iter().any(|one| &*one.key.backend_id == "a" && one.max_error_count == 7), "{list:?}");
    let refused = launcher.get_or_launch_for_session("gone", "t").await.unwrap_err();
    assert!(refused.to_string().contains("'gone' not found"), "{refused}");
    launcher.close().await;
}

/// A reload would be lost, or wait for ever, if it came in the moment in which the Registry fails.
#[tokio::test]
async fn a_reload_that_meets_a_failing_registry_holds_for_the_next() {
    for _ in 0..3 {
        let launcher = launcher(&server("a", "1", "")).await;
        assert!(launcher.address().send(RegistryMsg::Panic).is_ok());
        let reloaded = launcher.reload(config(&server("b", "1", "")));
        assert!(tokio::time::timeout(Duration::from_secs(10), reloaded).await.unwrap().is_ok());
        next_registry(&launcher).await;
        launcher.get_or_launch_for_session("b", "s").await.unwrap();
        assert_eq!(launcher.server_ids(), ["b"]);
        launcher.close().await;
    }
}

/// A client would hold a session that leads nowhere, whether it had a connection when its server went, or not.
#[tokio::test]
async fn every_session_of_a_removed_backend_is_told_and_refused() {
    let evicted = "[pool]\nidle_timeout = \"100ms\"\ncleanup_interval = \"50ms\"\n";
    let own = [evicted, &server("own", "1", "")].concat();
    let all = [&own[..], &server("common", "1", "isolation = \"shared\"\nidle = \"keep\"")].concat();
    let launcher = launcher(&all).await;
    let ends = Ends::default();
    let sleeping = session(&launcher, "own", "1", &ends).await;
    let sharing =
        [session(&launcher, "common", "2", &ends).await, session(&launcher, "common", "3", &ends).await];
    eventually(&launcher, |list| list.len() == 1).await;
    let reloaded = launcher.reload(config(evicted)).await.unwrap();
    assert_eq!(reloaded.ended, 1);
    assert_eq!(ends.0.load(Relaxed), 2, "those that share a connection");
    for route in sharing.iter().chain([&sleeping]) {
        assert_eq!(route.attach().await.unwrap_err().reason(), "removed");
        assert_eq!(route.ended(), Some(EndCause::Removed));
    }
    assert_eq!(ends.0.load(Relaxed), 3, "and the one that had none");
    eventually(&launcher, <[_]>::is_empty).await;
    // It comes back as another.
    launcher.reload(config(&all)).await.unwrap();
    assert!(sleeping.attach().await.is_err() && sharing[0].attach().await.is_err());
    session(&launcher, "common", "4", &ends).await;
    launcher.close().await;
}

/// A session without a connection would go on with the times of before until it has one.
#[tokio::test]
async fn settings_reach_sessions_that_have_no_connection() {
    let evicted = "[pool]\nidle_timeout = \"100ms\"\ncleanup_interval = \"50ms\"\n";
    let launcher = launcher(&[evicted, &server("a", "1", "")].concat()).await;
    let route = session(&launcher, "a", "1", &Ends::default()).await;
    eventually(&launcher, <[_]>::is_empty).await;
    launcher.reload(config(&server("a", "1", "timeouts.request = \"7s\""))).await.unwrap();
    assert_eq!(route.place().settings.load().timeouts.request, Duration::from_secs(7));
    launcher.close().await;
}

/// A reload would start servers while the service ends, which nobody would end any more.
#[tokio::test]
async fn a_tree_that_ends_takes_no_other_configuration() {
    let launcher = launcher(&server("a", "1", "")).await;
    launcher.close().await;
    assert_eq!(launcher.reload(config(&server("b", "1", ""))).await, Err(ReloadRefused::Ending));
    assert_eq!(launcher.server_ids(), ["a"]);
}
