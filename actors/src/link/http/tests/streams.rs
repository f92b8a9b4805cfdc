use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::super::reading::AHEAD;
use super::*;

/// A long call would fail whenever a proxy cuts its stream, though the server kept the answer.
#[tokio::test]
async fn a_cut_stream_is_resumed_after_its_last_event_until_the_answer() {
    let mut world = World::new(|seen| match (seen.method.as_str(), seen.header("last-event-id")) {
        ("POST", _) => {
            Reply::events(&format!("id: a\nretry: 50\ndata:\n\nid: b\ndata: {}\n\nid: c\n", notice()))
        }
        ("GET", Some("b")) => Reply::events(&format!("data: {}\n\n", notice())), // no news of the id: b stays
        _ => Reply::status("400 Bad", "", ""),
    })
    .await;
    world.request(1);
    for _ in 0..3 {
        assert_eq!(world.outcome().await, frame(1, &notice()));
    }

    let mut world = World::new(|seen| match seen.method.as_str() {
        "POST" => Reply::events("id: a\nretry: 50\ndata:\n\n"),
        _ => Reply::events(&format!("id: d\ndata: {}\n\n", answer(1))),
    })
    .await;
    world.request(1);
    assert_eq!(world.outcome().await, frame(1, &answer(1)));
}

/// The client would wait for its whole timeout for an answer that is lost.
#[tokio::test]
async fn what_cannot_be_resumed_is_a_cut() {
    let mut world = World::new(|seen| match seen.method.as_str() {
        "POST" => Reply::events(&format!("data: {}\n\n", notice())),
        _ => panic!("nothing to resume from"),
    })
    .await;
    world.request(1);
    assert_eq!(world.outcome().await, frame(1, &notice()));
    let outcome = world.outcome().await;
    assert!(matches!(&outcome, Upstream::PostFailed { failure: PostFailure::Cut { .. }, .. }), "{outcome:?}");

    let mut world = World::new(|seen| match seen.method.as_str() {
        "POST" => Reply::events("id: a\nretry: 50\ndata:\n\n"),
        _ => Reply::status("405 No", "", ""),
    })
    .await;
    world.request(1);
    let Upstream::PostFailed { wire: Some(1), failure: PostFailure::Cut { cause } } = world.outcome().await
    else {
        panic!("a cut");
    };
    assert!(cause.contains("405"), "{cause}");
}

/// A request that may have been executed would be sent again in the new session.
#[tokio::test]
async fn a_session_lost_while_resuming_is_both_a_cut_and_a_lost_session() {
    let mut world = World::new(with_session(|seen| match seen.method.as_str() {
        "POST" => Reply::events("id: a\nretry: 50\ndata:\n\n"),
        _ => Reply::status("404 Gone", "", ""),
    }))
    .await;
    world.handshake().await;
    world.request(2);
    let outcome = world.outcome().await;
    assert!(matches!(&outcome, Upstream::PostFailed { failure: PostFailure::Cut { .. }, .. }), "{outcome:?}");
    assert_eq!(world.outcome().await, Upstream::SessionLost { wire: None });
}

/// list_changed and server requests outside of calls would never arrive.
#[tokio::test]
async fn the_standalone_stream_is_reopened_where_it_ended() {
    let mut world = World::new(|seen| match seen.header("last-event-id") {
        None => Reply::events(&format!("retry: 50\n\nid: 9\ndata: {}\n\n", notice())),
        Some(id) => Reply::open_events(&format!("data: {}\n\n", answer(id.parse().unwrap()))),
    })
    .await;
    world.link.open_stream();
    assert_eq!(world.event().await, unsolicited(&notice()));
    assert_eq!(world.event().await, unsolicited(&answer(9)));
    let seen = world.seen().await;
    assert_eq!((seen.method.as_str(), seen.header("accept")), ("GET", Some("text/event-stream")));
}

/// A server without the optional stream would be restarted again and again.
#[tokio::test]
async fn a_server_without_a_standalone_stream_is_no_failure() {
    for status in ["405 No", "404 Not Found", "400 Bad Request", "501 No"] {
        let mut world = World::new(move |seen| match seen.method.as_str() {
            "GET" => Reply::status(status, "", ""),
            _ => Reply::json("", &answer(wire_of(seen))),
        })
        .await;
        world.link.open_stream();
        assert_eq!(world.seen().await.method, "GET");
        world.request(1);
        assert_eq!(world.event().await, Upstream::Sent { wire: 1 }, "{status}");
        assert_eq!(world.event().await, frame(1, &answer(1)), "{status}");
    }
}

/// A half-dead upstream would look healthy for ever: failures are counted for the supervisor.
#[tokio::test]
async fn failures_of_the_standalone_stream_are_counted() {
    let mut world = World::new(|_| Reply::status("500 Oops", "", "")).await;
    world.link.open_stream();
    for times in 1..=2 {
        let Upstream::StreamFailed { times: counted, cause } = world.event().await else {
            panic!("a failure")
        };
        assert_eq!((counted, cause.as_str()), (times, "HTTP status 500"));
    }
}

/// A lost session would only be noticed by the next request, and notifications be missed until then.
#[tokio::test]
async fn the_standalone_stream_notices_a_lost_session() {
    let opened = AtomicBool::new(false);
    let mut world = World::new(with_session(move |_| match opened.swap(true, Relaxed) {
        false => Reply::events("retry: 1\n\n"),
        true => Reply::status("404 Gone", "", ""),
    }))
    .await;
    world.handshake().await;
    world.link.open_stream();
    assert_eq!(world.outcome().await, Upstream::SessionLost { wire: None });
}

/// A server that floods its stream would fill memory while its reader is busy.
#[tokio::test]
async fn a_flood_waits_for_its_reader() {
    let flood = format!("data: {}\n\n", notice()).repeat(500);
    let mut world = World::new(move |_| Reply::open_events(&flood)).await;
    world.link.open_stream();
    let mut held = Vec::new();
    for _ in 0..AHEAD {
        held.push(world.event().await);
    }
    let more = timeout(Duration::from_millis(100), world.events.recv()).await;
    assert!(more.is_err(), "{more:?}");
    drop(held);
    assert_eq!(world.event().await, unsolicited(&notice()));
}
