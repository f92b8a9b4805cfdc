//! Upstreams that answer with a status.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::common::{Client, Service, code, eventually, reason, text_of};
use super::reply::Reply;
use super::upstream::{Seen, Upstream};
use super::{comes_again, counted, counted_in_all, counter, is, no_session, shown, state, until_phase};

/// An upstream that answers calls of the tool `bad` with this.
async fn bad(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |seen| (seen.tool() == "bad").then(|| reply(seen))).await
}

async fn call_bad(client: &Client) -> Value {
    client.call("bad", json!({})).await
}

/// A wrong token would be tried again and again, until the account is locked.
#[tokio::test]
async fn wrong_credentials_at_the_start_are_told_and_not_tried_again() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let upstream =
            Upstream::start(move |seen| (seen.what == "initialize").then(|| Reply::status(status, "", "")))
                .await;
        let settings = "headers = { authorization = \"Bearer s3cret\" }";
        let service = Service::start(&upstream.backend("up", settings)).await;
        let answer = no_session(&service, "up").await;
        assert_eq!((code(&answer), reason(&answer)), (-31006, "http_status"), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(&status[..3]) && message.contains("credentials"), "{message}");
        assert!(!answer.to_string().contains("s3cret") && !service.log().contains("s3cret"));
        let forgotten = async || service.connections().await.is_empty().then_some(());
        eventually("it is forgotten", forgotten).await;
        let seen = upstream.saw("initialize");
        assert_eq!(seen.len(), 1, "{status}");
        assert_eq!(seen[0].header("authorization"), "Bearer s3cret");
        assert_eq!(counted(&service, "restarts_total", "up", "http_status").await, 0.0);
    }
}

/// A token that has expired would be tried until the account is locked; a new one would not be tried at all.
#[tokio::test]
async fn credentials_that_are_refused_later_stop_the_connection_at_once() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let expired = Arc::new(AtomicBool::new(false));
        let is_expired = expired.clone();
        let upstream =
            Upstream::start(move |_| is_expired.load(Relaxed).then(|| Reply::status(status, "", ""))).await;
        let service = Service::start(&upstream.backend("up", "pool.cooldown = \"1s\"\n")).await;
        let (client, other) = (Client::open(&service, "up").await, Client::open(&service, "up").await);
        assert_eq!((counter(&client).await, counter(&other).await), ("1".into(), "1".into()));
        expired.store(true, Relaxed);
        let answer = client.call("counter", json!({})).await;
        assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("credentials"), "{answer}");
        let posts = upstream.count("tools/call") + upstream.count("initialize");
        comes_again(&client.call("counter", json!({})).await, "stopped");
        assert_eq!(state(&service, &client).await, is("stopped", 1, 0));
        assert_eq!(
            upstream.count("tools/call") + upstream.count("initialize"),
            posts,
            "nothing more is tried"
        );
        assert_eq!(counted_in_all(&service, "fatal_stops_total", "up").await, 1.0);
        assert_eq!(state(&service, &other).await, is("ready", 0, 0), "it has asked for nothing since");
        let page = service.metrics().await;
        let pipes = page.lines().find(|line| line.contains("network_transport=\"pipe\""));
        assert_eq!(pipes, None, "every call went over TCP, the lost one too");

        expired.store(false, Relaxed);
        let answered = async || (code(&client.call("look", json!({})).await) == 0).then_some(());
        eventually("it is tried again after the cooldown", answered).await;
        assert_eq!(state(&service, &client).await, is("ready", 0, 0));
        assert_eq!(counter(&other).await, "2");
    }
}

/// The same, seen when the handshake is replayed: it would be replayed again and again.
#[tokio::test]
async fn credentials_that_are_refused_to_the_replay_stop_it_too() {
    let handshakes = AtomicUsize::new(0);
    let upstream = Upstream::start(move |seen| match seen.what.as_str() {
        "initialize" if handshakes.fetch_add(1, Relaxed) > 0 => {
            Some(Reply::status("401 Unauthorized", "", ""))
        }
        "tools/call" => Some(Reply::status("404 Not Found", "", "")),
        _ => None,
    })
    .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    comes_again(&client.call("counter", json!({})).await, "stopped");
    comes_again(&client.call("counter", json!({})).await, "stopped");
    until_phase(&service, &client, "stopped").await;
    assert_eq!(upstream.count("initialize"), 2, "one replay, and no other");
    assert_eq!(counted_in_all(&service, "fatal_stops_total", "up").await, 1.0);
}

/// A client that is too fast would be told that the server is broken, and its session be restarted for it.
#[tokio::test]
async fn too_many_requests_are_the_clients_to_hear_of() {
    let upstream = bad(|seen| {
        let wait = seen.body["params"]["arguments"]["wait"].as_str().unwrap_or_default();
        let wait = if wait.is_empty() { String::new() } else { format!("Retry-After: {wait}\r\n") };
        Reply::status("429 Too Many Requests", &wait, "")
    })
    .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    for (wait, expected) in [(json!({ "wait": "17" }), 17_000), (json!({}), 1000)] {
        let answer = client.call("bad", wait).await;
        assert_eq!((code(&answer), reason(&answer)), (-31004, "rate"), "{answer}");
        assert_eq!(answer["error"]["data"]["retry_after_ms"], expected, "{answer}");
    }
    assert_eq!(upstream.count("tools/call"), 2, "none is sent again");
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
    assert_eq!(counted(&service, "faults_total", "up", "http_status").await, 0.0);
    assert_eq!(counter(&client).await, "1");
}

/// One bad request would cost a session its connection, a flood of them stop it, or one be carried out twice.
#[tokio::test]
async fn a_server_error_is_that_requests_alone_and_counts_once() {
    let upstream = bad(|_| Reply::status("500 Internal Server Error", "", "oops")).await;
    let service = Service::start(&upstream.backend("up", "pool.max_error_count = 1\n")).await;
    let (client, other) = (Client::open(&service, "up").await, Client::open(&service, "up").await);
    assert_eq!((counter(&client).await, counter(&other).await), ("1".into(), "1".into()));
    for _ in 0..5 {
        let answer = call_bad(&client).await;
        assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
        let data = &answer["error"]["data"];
        assert_eq!((&data["backend"], &data["max_error_count"]), (&json!("up"), &json!(1)), "{answer}");
        assert_eq!((&data["error_count"], &data["retryable"]), (&json!(1), &json!(false)), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("500"), "{answer}");
    }
    assert_eq!(state(&service, &client).await, is("ready", 1, 0));
    assert!(shown(&service, &client).await["last_error"].as_str().unwrap().contains("500"));
    assert_eq!(upstream.saw("tools/call").iter().filter(|call| call.tool() == "bad").count(), 5);
    assert_eq!(counted(&service, "faults_total", "up", "http_status").await, 1.0);
    assert_eq!(counted_in_all(&service, "requests_lost_total", "up").await, 5.0);
    assert_eq!(counted(&service, "restarts_total", "up", "http_status").await, 0.0);
    assert_eq!((counter(&client).await, counter(&other).await), ("2".into(), "2".into()));
    assert_eq!(state(&service, &other).await, is("ready", 0, 0));
}

/// The limit would not hold for an upstream that fails in this way, or cut off the calls that it serves well.
#[tokio::test]
async fn a_server_error_too_many_stops_the_connection_when_its_calls_are_done() {
    let finish = Arc::new(Notify::new());
    let finished = finish.clone();
    let upstream = Upstream::start(move |seen| match seen.tool() {
        "bad" => Some(Reply::status("500 Internal Server Error", "", "")),
        "long" => Some(Reply::json("", &seen.text("done")).when(finished.clone())),
        _ => None,
    })
    .await;
    let service = Service::start(&upstream.backend("up", "pool.max_error_count = 0\n")).await;
    let client = Client::open(&service, "up").await;
    let (long, ()) = tokio::join!(client.call("long", json!({})), async {
        service.in_flight(1).await;
        let answer = call_bad(&client).await;
        assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
        until_phase(&service, &client, "draining").await;
        comes_again(&client.call("counter", json!({})).await, "cooling");
        finish.notify_one();
    });
    assert_eq!(text_of(&long), "done");
    until_phase(&service, &client, "stopped").await;
    assert_eq!(state(&service, &client).await, is("stopped", 1, 0));
    assert_eq!(counted_in_all(&service, "max_error_stops_total", "up").await, 1.0);
    upstream.until("DELETE", 1).await;
    comes_again(&client.call("counter", json!({})).await, "cooling");
}

/// Whoever only reads would see an error that a second try would have spared him.
#[tokio::test]
async fn a_safe_request_is_sent_once_more_after_a_server_error() {
    let failures = Arc::new(AtomicUsize::new(1));
    let left = failures.clone();
    let upstream = Upstream::start(move |seen| {
        let fails =
            seen.tool() == "look" && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        fails.then(|| Reply::status("503 Service Unavailable", "", ""))
    })
    .await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    client.request("tools/list", json!({})).await;
    assert_eq!(client.text("look", json!({})).await, "look");
    assert_eq!(upstream.count("tools/call"), 2);
    assert_eq!(state(&service, &client).await, is("ready", 1, 0), "an operator sees it all the same");
    failures.store(2, Relaxed);
    let answer = client.call("look", json!({})).await;
    assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
    assert_eq!(upstream.count("tools/call"), 4, "once more, and not for ever");
    assert_eq!(counter(&client).await, "1");
}

/// A mistake of a client would count against its server.
#[tokio::test]
async fn a_refusal_of_one_request_counts_nothing() {
    let upstream = bad(|_| Reply::status("400 Bad Request", "", "no")).await;
    let service = Service::start(&upstream.backend("up", "")).await;
    let client = Client::open(&service, "up").await;
    let answer = call_bad(&client).await;
    assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
    assert_eq!(answer["error"]["data"]["error_count"], 0, "{answer}");
    assert_eq!(state(&service, &client).await, is("ready", 0, 0));
    assert_eq!(counted_in_all(&service, "requests_lost_total", "up").await, 1.0);
    assert_eq!(counter(&client).await, "1");
}

/// Whatever an upstream points at would get our token, and what the client says.
#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let stranger = Upstream::polite().await;
    let location = format!("Location: {}\r\n", stranger.url());
    let to_stranger = move || Reply::status("307 Temporary Redirect", &location, "");
    let (later, at_first) = (to_stranger.clone(), to_stranger);
    let upstream = bad(move |_| later()).await;
    let moved = Upstream::start(move |_| Some(at_first())).await;
    let service = Service::start(&[upstream.backend("up", ""), moved.backend("moved", "")].concat()).await;
    let answer = no_session(&service, "moved").await;
    assert_eq!((code(&answer), reason(&answer)), (-31006, "http_connect"), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("307"), "{answer}");
    let client = Client::open(&service, "up").await;
    let answer = call_bad(&client).await;
    assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
    assert_eq!(counter(&client).await, "1");
    for what in ["initialize", "tools/call", "GET"] {
        assert_eq!(stranger.count(what), 0, "{what}");
    }
}

/// The client would wait for an answer that cannot come.
#[tokio::test]
async fn a_success_without_an_answer_is_an_error() {
    let replies: [fn() -> Reply; 3] = [
        || Reply::status("202 Accepted", "", ""),
        || Reply::status("200 OK", "Content-Type: text/html\r\n", "<html>sign in</html>"),
        || Reply::json("", r#"{"jsonrpc":"2.0","id":"#),
    ];
    for reply in replies {
        let upstream = bad(move |_| reply()).await;
        let service = Service::start(&upstream.backend("up", "")).await;
        let client = Client::open(&service, "up").await;
        let answer = call_bad(&client).await;
        assert_eq!((code(&answer), reason(&answer)), (-31001, "http_status"), "{answer}");
        assert_eq!(state(&service, &client).await, is("ready", 1, 0));
        assert_eq!(counter(&client).await, "1");
    }
}
