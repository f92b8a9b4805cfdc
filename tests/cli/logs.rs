//! `logs`

use rustix::process::Signal;
use serde_json::json;

use super::common::{Client, Service, Upstream};
use super::followed::Followed;
use super::{about, complain, complaining, err, replaced, said, session_of};

/// What a server complains of would be in a log file of somebody else, among that of all others.
#[tokio::test]
async fn what_servers_say_is_printed_as_it_is_or_by_session() {
    let service = Service::start(&complaining("a")).await;
    let client = Client::open(&service, "a").await;
    assert_eq!(said(&service, &["logs", "a"]), "a starts\n");
    let session = session_of(&service, &client).await;
    complain(&client).await;
    let all = said(&service, &["logs", "a", &session[..6]]);
    assert!(all.starts_with("a starts\n") && all.lines().count() > 1, "{all}");
    assert_eq!(said(&service, &["logs", "a", "-n", "1"]).lines().count(), 1);

    let other = Client::open(&service, "a").await;
    let others = session_of(&service, &other).await;
    let both = said(&service, &["logs", "a"]);
    for session in [&session, &others] {
        assert!(both.contains(&format!("{session} | a starts\n")), "{both}");
    }
    replaced(&client).await;
    assert_eq!(said(&service, &["logs", "--previous", "a", &session]), all, "why it died");
    assert_eq!(said(&service, &["logs", "a", &session]), "a starts\n");
    let none = about(&service, &["logs", "-p", "a", &others]).output().unwrap();
    assert!(none.status.code() == Some(64) && err(&none).contains("before"), "{}", err(&none));
}

/// Whoever watches a server would miss its death, or what comes after it.
#[tokio::test]
async fn following_one_session_sees_a_kill_and_the_next_process_and_ends_with_the_service() {
    let mut service = Service::start(&complaining("a")).await;
    let client = Client::open(&service, "a").await;
    let session = session_of(&service, &client).await;
    let mut logs = Followed::start(about(&service, &["logs", "-f", "a", &session]));
    assert_eq!(logs.says("starts"), "a starts");
    let next = replaced(&client).await;
    assert_eq!(logs.says("==>"), format!("==> mcpvisor: incarnation 2, pid {next} <=="));
    assert_eq!(logs.says("starts"), "a starts");
    complain(&client).await;
    logs.says("");
    service.signal(Signal::TERM);
    assert_eq!(logs.ends().code(), Some(0));
    assert_eq!(service.ended().await.code(), Some(0));
}

/// Whoever starts to follow before anybody comes would see nothing of those who do.
#[tokio::test]
async fn following_a_backend_waits_for_sessions_and_takes_in_new_ones() {
    let mut service = Service::start(&complaining("a")).await;
    let mut logs = Followed::start(about(&service, &["logs", "-f", "a"]));
    logs.says("waiting for a connection of backend 'a'");
    let first = Client::open(&service, "a").await;
    assert_eq!(logs.says("starts"), "a starts");
    let second = Client::open(&service, "a").await;
    let session = session_of(&service, &second).await;
    assert_eq!(logs.says("starts"), format!("{session} | a starts"));
    complain(&first).await;
    logs.says(&format!("{} | ", session_of(&service, &first).await));
    service.signal(Signal::TERM);
    logs.says("the service has ended");
    assert_eq!(logs.ends().code(), Some(0));
    assert_eq!(service.ended().await.code(), Some(0));
}

/// Whoever looks for the words of a server that is elsewhere would wait in vain.
#[tokio::test]
async fn an_upstream_has_no_standard_error_and_that_is_said() {
    let upstream = Upstream::start().await;
    let service = Service::start(&format!("[backends.u]\nurl = {:?}\n", upstream.url)).await;
    for arguments in [&["logs", "u"][..], &["logs", "-f", "u"]] {
        let refused = about(&service, arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(64));
        assert!(err(&refused).contains("upstream"), "{}", err(&refused));
    }
    let client = Client::open(&service, "u").await;
    client.call("echo", json!({ "message": "x" })).await;
}
