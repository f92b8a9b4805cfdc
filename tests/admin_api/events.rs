//! `GET /api/v1/events`

use rustix::process::Signal;
use serde_json::{Value, json};

use super::common::{Ask, Client, Reply, Service, all, backend, soon};
use super::{ask, complaining, json as ask_json};

/// Reads to the first event of that name.
async fn next(events: &mut Reply, name: &str) -> Value {
    soon(name, async {
        loop {
            let event = events.message().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event["event"] == name {
                return event;
            }
        }
    })
    .await
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

async fn past(service: &Service, query: &str) -> Vec<Value> {
    ask(service, "GET", &format!("/api/v1/events?follow=false{query}")).await.messages().await
}

/// Nobody could tell why a server was restarted without a log collector.
#[tokio::test]
async fn a_crash_is_told_as_it_happens_with_its_cause_and_last_words() {
    let service = Service::start(&complaining("a", "")).await;
    let mut events = ask(&service, "GET", "/api/v1/events").await;
    assert!(events.is_stream());
    let client = Client::open(&service, "a").await;
    let (pid, session) = (client.pid().await, super::only_session(&service).await);
    let ready = next(&mut events, "connection.ready").await;
    assert_eq!((&ready["pid"], &ready["session"]), (&json!(pid), &json!(session)), "{ready}");
    client.call("crash", json!({ "code": 3 })).await;

    let lost = next(&mut events, "connection.lost").await;
    let expected = json!({ "backend": "a", "session": session, "pid": pid, "incarnation": 1, "reason": "exit",
        "exit_code": 3, "error_count": 1, "max_error_count": 10, "stderr_tail": "trouble is coming" });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&lost[field], value, "{field} of {lost}");
    }
    assert_eq!(next(&mut events, "connection.backing_off").await["backoff_ms"], 0);
    assert_eq!(next(&mut events, "connection.launching").await["restarts"], 1);
    let replayed = next(&mut events, "connection.replayed").await;
    assert_eq!((&replayed["result"], &replayed["reason"]), (&json!("ok"), &json!("exit")), "{replayed}");
    assert_eq!(next(&mut events, "connection.ready").await["incarnation"], 2);
    assert_eq!(client.delete().await, 204);
    assert_eq!(next(&mut events, "connection.drained").await["reason"], "delete");
    next(&mut events, "connection.gone").await;

    let full: String = client.session.clone();
    assert!(!past(&service, "").await.iter().any(|event| event.to_string().contains(&full)), "a credential");
    let logged = service.log();
    let line = logged.lines().find(|line| line.contains("connection.lost")).unwrap();
    for part in ["backend=\"a\"", "reason=\"exit\"", "exit_code=3", "error_count=1", &session] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

/// Whoever comes late, or back, would have to guess what happened.
#[tokio::test]
async fn the_past_comes_first_and_a_reader_that_comes_back_goes_on_where_it_was() {
    let config = [backend("a", &[], ""), backend("b", &[], "")].concat();
    let service = Service::start(&config).await;
    for path in ["a/stop", "a/start", "b/stop", "a/stop", "b/start"] {
        assert_eq!(ask(&service, "POST", &format!("/api/v1/backends/{path}")).await.status, 200);
    }
    let (stopped, started) = ("backend.stopped", "backend.started");
    assert_eq!(names(&past(&service, "").await), [stopped, started, stopped, stopped, started]);
    assert_eq!(names(&past(&service, "&backend=b").await), [stopped, started]);
    assert_eq!(names(&past(&service, "&history=2").await), [stopped, started]);
    assert_eq!(past(&service, "&history=0").await, [] as [Value; 0]);

    let mut events = ask(&service, "GET", "/api/v1/events?history=3").await;
    next(&mut events, stopped).await;
    let seen = events.last_event_id.clone().unwrap();
    drop(events);
    let back = Ask::new("GET", "/api/v1/events").header("last-event-id", &seen);
    let mut back = back.send(&service.admin).await;
    for (backend, event) in [("a", stopped), ("b", started)] {
        let told = back.message().await.unwrap();
        assert_eq!((&told["backend"], &told["event"]), (&json!(backend), &json!(event)));
    }
    ask(&service, "POST", "/api/v1/backends/a/start").await;
    assert_eq!(back.message().await.unwrap()["event"], started);
    let elsewhere = Ask::new("GET", "/api/v1/events?follow=false").header("last-event-id", "00000000-4");
    assert_eq!(elsewhere.send(&service.admin).await.messages().await.len(), 6, "of another start");

    let (status, error) = ask_json(&service, "GET", "/api/v1/events?backend=c").await;
    assert!(status == 404 && error["error"].as_str().unwrap().contains("no backend 'c'"), "{error}");
    for query in ["history=many", "histroy=1"] {
        let (status, error) = ask_json(&service, "GET", &format!("/api/v1/events?{query}")).await;
        assert!(status == 400 && error["error"].is_string(), "{query}: {status} {error}");
    }
}

/// One dashboard that hangs would stop the events of all, or the service.
#[tokio::test]
async fn many_readers_that_do_not_read_harm_nobody() {
    let service = Service::start(&backend("a", &[], "")).await;
    let idle = all((0..50).map(|_| Ask::new("GET", "/api/v1/events").send(&service.admin))).await;
    let mut reader = ask(&service, "GET", "/api/v1/events?history=0").await;
    let orders = async {
        for number in 0..1500 {
            let order = if number % 2 == 0 { "stop" } else { "start" };
            assert_eq!(ask(&service, "POST", &format!("/api/v1/backends/a/{order}")).await.status, 200);
        }
    };
    let read = async {
        for number in 0..1500 {
            let event = reader.message().await.unwrap();
            let order = if number % 2 == 0 { "backend.stopped" } else { "backend.started" };
            assert_eq!(event["event"], order, "event {number}");
        }
    };
    tokio::join!(orders, read);
    assert_eq!(past(&service, "").await.len(), 1000, "the last thousand are kept");
    let client = Client::open(&service, "a").await;
    client.pid().await;
    drop(idle);
}

/// A stream that stays open would hold up every stop of the service, and the last events would be lost.
#[tokio::test]
async fn a_stream_tells_of_the_drain_and_ends_with_it() {
    let mut service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    client.pid().await;
    let mut events = ask(&service, "GET", "/api/v1/events?history=0").await;
    service.signal(Signal::TERM);
    assert_eq!(next(&mut events, "connection.drained").await["reason"], "drain");
    while events.message().await.is_some() {}
    assert_eq!(service.ended().await.code(), Some(0));
}
