//! Upstreams that cannot be reached.

use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::common::{Client, Service, backend, code, eventually, reason};
use super::reply::Reply;
use super::upstream::Upstream;
use super::{comes_again, counted, counted_in_all, counter, is, no_session, state, until_phase};

/// Whoever mistypes a URL would wait for nothing, or get a session that can never work.
#[tokio::test]
async fn one_that_is_not_there_at_first_is_told_at_once() {
    let mut gone = Upstream::polite().await;
    gone.stop().await;
    let plain = Upstream::polite().await;
    let config = [
        gone.backend("refused", ""),
        // A server that does not speak TLS.
        plain.backend("tls", "").replace("http:", "https:"),
        "[backends.unknown]\nurl = \"http://name.invalid/mcp?key=s3cret\"\n".to_owned(),
        backend("well", &[], ""),
    ];
    // A proxy of the machine would answer for what is unknown.
    let environment = [("NO_PROXY", "*"), ("no_proxy", "*")];
    let service = Service::start_with(TempDir::new().unwrap(), &config.concat(), &[], &environment).await;
    let other = Client::open(&service, "well").await;
    for (name, cause) in
        [("refused", "onnection refused"), ("tls", "not reached"), ("unknown", "not reached")]
    {
        let start = Instant::now();
        let answer = no_session(&service, name).await;
        assert_eq!((code(&answer), reason(&answer)), (-31006, "http_connect"), "{name}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(cause) && !message.contains("s3cret"), "{message}");
        assert!(start.elapsed() < Duration::from_secs(12), "{name}: told after {:?}", start.elapsed());
        assert_eq!(counted(&service, "faults_total", name, "http_connect").await, 1.0, "{name}");
        assert_eq!(counted(&service, "restarts_total", name, "http_connect").await, 0.0, "{name}");
        assert_eq!(counted_in_all(&service, "sessions", name).await, 0.0, "{name}");
    }
    let forgotten = async || (service.connections().await.len() == 1).then_some(());
    eventually("what has never served is forgotten", forgotten).await;
    assert_eq!(plain.count("initialize"), 0);
    assert_eq!(counter(&other).await, "1");
}

type Script = fn() -> Reply;

/// Whoever names the wrong path, or an upstream in trouble, would not be told which of it.
#[tokio::test]
async fn one_that_does_not_shake_hands_is_told_at_once() {
    let replies: [(Script, &str); 5] = [
        (|| Reply::status("404 Not Found", "", "no such path"), "404"),
        (|| Reply::status("503 Service Unavailable", "", ""), "503"),
        (|| Reply::status("429 Too Many Requests", "Retry-After: 9\r\n", ""), "429"),
        (|| Reply::events(": nothing\n\n"), "cut"),
        (|| Reply::cut(""), "cut"),
    ];
    for (reply, cause) in replies {
        let upstream = Upstream::start(move |seen| (seen.what == "initialize").then(reply)).await;
        let service = Service::start(&upstream.backend("up", "")).await;
        let answer = no_session(&service, "up").await;
        assert_eq!((code(&answer), reason(&answer)), (-31006, "http_connect"), "{cause}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(cause), "{answer}");
        assert_eq!(counted(&service, "faults_total", "up", "http_connect").await, 1.0);
        assert_eq!(upstream.count("initialize"), 1, "{cause}");
    }
}

/// A deployment of the upstream would cost every client its session, or its call.
#[tokio::test]
async fn a_call_waits_for_one_that_comes_back_and_is_carried_out_once() {
    let mut upstream = Upstream::polite().await;
    let config = [upstream.backend("up", ""), backend("well", &[], "")].concat();
    let service = Service::start(&config).await;
    let (client, other) = (Client::open(&service, "up").await, Client::open(&service, "well").await);
    assert_eq!((counter(&client).await, counter(&other).await), ("1".into(), "1".into()));
    upstream.stop().await;
    let (text, ()) = tokio::join!(counter(&client), async {
        until_phase(&service, &client, "backing_off").await;
        upstream.start_again().await;
    });
    assert_eq!(text, "1", "in a session of its own at the upstream, and there only once");
    let calls = upstream.saw("tools/call");
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].session(), calls[1].session());
    assert_eq!(upstream.count("notifications/initialized"), 2, "the handshake is replayed whole");
    let (phase, errors, restarts) = state(&service, &client).await;
    assert!(phase == "ready" && errors >= 1 && restarts == errors, "{phase} {errors} {restarts}");
    assert_eq!(counted(&service, "restarts_total", "up", "http_connect").await, restarts as f64);
    assert_eq!(counted(&service, "faults_total", "up", "http_connect").await, errors as f64);
    assert_eq!(counter(&other).await, "2", "nobody else has noticed");
    assert_eq!(counter(&client).await, "2");
}

/// Clients of an upstream that is gone for good would wait for their timeouts, one after the other.
#[tokio::test]
async fn one_that_stays_away_is_stopped_and_tried_again_after_the_cooldown() {
    let mut upstream = Upstream::polite().await;
    let settings = "pool.max_error_count = 1\npool.cooldown = \"2s\"\nbackoff.min = \"10ms\"\n";
    let service = Service::start(&upstream.backend("up", settings)).await;
    let client = Client::open(&service, "up").await;
    upstream.stop().await;
    let waited = client.call("counter", json!({})).await;
    assert!(comes_again(&waited, "cooling") <= 2000);
    assert!(waited["error"]["message"].as_str().unwrap().contains("http_connect"), "it says why: {waited}");
    assert_eq!(state(&service, &client).await, is("stopped", 2, 1));
    let start = Instant::now();
    let at_once = client.call("counter", json!({})).await;
    comes_again(&at_once, "cooling");
    assert!(start.elapsed() < Duration::from_secs(1), "refused after {:?}", start.elapsed());
    assert_eq!(counted_in_all(&service, "max_error_stops_total", "up").await, 1.0);
    assert_eq!(counted(&service, "faults_total", "up", "http_connect").await, 2.0);

    upstream.start_again().await;
    let answered = async || {
        let answer = client.call("counter", json!({})).await;
        if code(&answer) != 0 {
            comes_again(&answer, "cooling");
        }
        (code(&answer) == 0).then_some(())
    };
    eventually("it is tried again", answered).await;
    assert_eq!(upstream.count("tools/call"), 1, "what was refused is not carried out later");
    assert_eq!(state(&service, &client).await, is("ready", 0, 1));
}
