//! `events`

use rustix::process::Signal;
use serde_json::Value;

use super::common::{Client, Service};
use super::followed::Followed;
use super::{about, complaining, replaced, said, session_of};

/// Nobody could see a server die while looking.
#[tokio::test]
async fn following_sees_a_kill_with_its_cause_and_the_last_words_and_ends_with_the_service() {
    let mut service = Service::start(&complaining("a")).await;
    let client = Client::open(&service, "a").await;
    let session = session_of(&service, &client).await;
    let pid = client.pid().await;
    let mut events = Followed::start(about(&service, &["events", "-f", "--tail", "1"]));
    events.says("connection.ready");
    replaced(&client).await;
    let lost = events.says("connection.lost");
    for part in
        [&format!("a/{session}"), "signal", "signal 9 (SIGKILL)", &format!("pid {pid}"), "errors 1/10"]
    {
        assert!(lost.contains(part), "{part} in {lost}");
    }
    assert!(!lost.contains('\x1b'), "colours are for terminals");
    assert_eq!(events.says("starts"), "    | a starts", "its last words");
    events.says("connection.backing_off");
    events.says("connection.ready");
    service.signal(Signal::TERM);
    events.says("connection.drained");
    assert_eq!(events.ends().code(), Some(0));
    assert_eq!(service.ended().await.code(), Some(0));
}

/// A script that waits for an event would not know that it will never come.
#[tokio::test]
async fn a_service_that_is_killed_is_a_failure_of_those_who_follow() {
    let service = Service::start(&complaining("a")).await;
    Client::open(&service, "a").await;
    let mut events = Followed::start(about(&service, &["events", "-f"]));
    events.says("connection.ready");
    service.signal(Signal::KILL);
    events.says("did not end in order");
    assert_eq!(events.ends().code(), Some(1));
}

/// What is printed for scripts would not be what the API says, or not one event a line.
#[tokio::test]
async fn the_past_is_printed_and_json_is_one_event_a_line() {
    let service = Service::start(&[complaining("a"), complaining("b")].concat()).await;
    for name in ["a", "b"] {
        Client::open(&service, name).await;
    }
    let past = said(&service, &["events", "--json"]);
    let past: Vec<Value> = past.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |backend: &str| past.iter().filter(|event| event["backend"] == backend).count();
    assert!(past.len() >= 4 && of("a") >= 2 && of("b") >= 2, "{past:?}");
    let of_b = said(&service, &["events", "--backend", "b"]);
    assert!(of_b.contains("b/") && !of_b.contains("a/"), "{of_b}");
    assert_eq!(said(&service, &["events", "-n", "2"]).lines().count(), 2);
}
