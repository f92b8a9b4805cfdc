//! What the tree tells of itself.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use mcpvisor_actors::{
    CancellationToken, EventKind, EventSender, EventStream, Heard, Launcher, LauncherOptions,
    SupervisionEvent,
};
use serde_json::json;

/// The next event of that kind.
async fn next(events: &mut EventStream, kind: EventKind) -> Arc<SupervisionEvent> {
    let search = async {
        loop {
            match events.next().await {
                Some(Heard::Event(event)) if event.kind == kind => return event,
                Some(_) => {}
                None => panic!("the tree ended before {kind:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), search)
        .await
        .unwrap_or_else(|_| panic!("in vain: {kind:?}"))
}

/// Nobody could see why a server was restarted, or stopped, without asking again and again.
#[tokio::test]
async fn a_stop_at_the_limit_is_told_step_by_step() {
    let launcher = launcher(&backend("b", &["--crash-tool"], "pool.max_error_count = 1")).await;
    let mut events = launcher.events();
    let connection = launcher.get_or_launch_for_session("b", "a-secret-session").await.unwrap();
    assert_eq!(next(&mut events, EventKind::Launching).await.start, Some("fresh"));
    let first = pid(&connection).await;
    let ready = next(&mut events, EventKind::Ready).await;
    assert_eq!((ready.pid, ready.incarnation), (Some(first), Some(1)));
    assert_eq!(ready.session.as_deref(), Some(&*connection.key().session_hash()));

    call(&connection, "crash", json!({ "code": 7 })).await.unwrap_err();
    let lost = next(&mut events, EventKind::Lost).await;
    assert_eq!((lost.pid, lost.reason.as_deref(), lost.exit_code), (Some(first), Some("exit"), Some(7)));
    assert_eq!((lost.error_count, lost.max_error_count), (Some(1), Some(1)));
    next(&mut events, EventKind::BackingOff).await;
    let second = pid(&connection).await;
    let replayed = next(&mut events, EventKind::Replayed).await;
    assert_eq!((replayed.result, replayed.pid), (Some("ok"), Some(second)));

    kill_9(second);
    let lost = next(&mut events, EventKind::Lost).await;
    assert_eq!((lost.signal, lost.error_count), (Some(9), Some(2)));
    assert_eq!(next(&mut events, EventKind::Stopped).await.reason.as_deref(), Some("max_error_count"));
    launcher.close().await;
}

/// What an operator, or another one, has done would have to be guessed.
#[tokio::test]
async fn orders_and_a_drain_are_told() {
    let launcher = launcher(&backend("b", &[], "")).await;
    let mut events = launcher.events();
    launcher.get_or_launch_for_session("b", "s").await.unwrap();
    launcher.restart("b", None).await.unwrap();
    assert_eq!(next(&mut events, EventKind::Restarting).await.reason.as_deref(), Some("manual"));
    assert_eq!(next(&mut events, EventKind::Drained).await.reason.as_deref(), Some("restart"));
    next(&mut events, EventKind::Ready).await;
    launcher.stop_backend("b").await.unwrap();
    let stopped = next(&mut events, EventKind::BackendStopped).await;
    assert_eq!((stopped.backend.as_deref(), &stopped.session), (Some("b"), &None));
    assert_eq!(next(&mut events, EventKind::Drained).await.reason.as_deref(), Some("stopped_by_operator"));
    launcher.start_backend("b").await.unwrap();
    next(&mut events, EventKind::BackendStarted).await;
    eventually("the key is forgotten", async || launcher.list().await.is_empty()).await;
    launcher.get_or_launch_for_session("b", "s").await.unwrap();
    launcher.close().await;
    assert_eq!(next(&mut events, EventKind::Drained).await.reason.as_deref(), Some("drain"));
}

/// The first events, of what is started before anybody can listen, would be missing.
#[tokio::test]
async fn whoever_brings_the_sender_hears_of_the_first_spare() {
    let sender = EventSender::default();
    let mut events = sender.subscribe();
    let options = LauncherOptions { events: Some(sender), ..LauncherOptions::default() };
    let config = config(&backend("b", &[], "warm = 1"));
    let launcher = Launcher::with_options(config, CancellationToken::new(), options).await.unwrap();
    let started = next(&mut events, EventKind::SpareLaunching).await;
    let warm = next(&mut events, EventKind::SpareWarm).await;
    assert_eq!(started.incarnation, warm.incarnation);
    kill_9(warm.pid.unwrap());
    assert_eq!(next(&mut events, EventKind::SpareLost).await.reason.as_deref(), Some("signal"));
    launcher.close().await;
}
