//! Streams: what precedes an answer, what belongs to no request, and what a client gets after it was cut off.

use serde_json::{Value, json};

use crate::client::{Client, Event, Response};
use crate::serve;
use crate::service::{World, eventually};

fn progress_of(message: &Value) -> i64 {
    assert_eq!(message["method"], "notifications/progress", "{message}");
    message["params"]["progress"].as_i64().unwrap()
}

fn answer(client: &Client, request: &Value, result: Value) {
    let response = client.post(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }));
    assert_eq!((response.status, response.text()), (202, String::new()));
}

/// Reads on until a message of that method comes.
fn until(stream: &mut Response, method: &str) -> Value {
    loop {
        let (_, message) = stream.message().expect("the stream goes on");
        if message["method"] == method {
            return message;
        }
    }
}

/// A progress bar would stand still and then jump to the end.
#[test]
fn progress_comes_before_the_answer_on_the_same_stream() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    for (version, primed) in [("2025-11-25", true), ("2025-06-18", false)] {
        let client = Client::open_version(&service, "one", version);
        let mut stream = client.call_with_progress(5, "progress", json!({ "steps": 3, "ms": 20 }));
        assert!(stream.is_stream());
        assert_eq!(stream.header("x-accel-buffering"), Some("no"));
        if primed {
            assert_eq!(stream.event(), Some(Event::Priming("1_0".into())));
        }
        let mut ids = Vec::new();
        for step in 0..=3 {
            let Some(Event::Message(id, message)) = stream.event() else { panic!("a message") };
            assert_eq!(
                (progress_of(&message), &message["params"]["progressToken"]),
                (step, &json!("token-5"))
            );
            ids.push(id);
        }
        let (id, last) = stream.message().unwrap();
        assert_eq!((&last["id"], &last["result"]["content"][0]["text"]), (&json!(5), &json!("3 steps")));
        ids.push(id);
        assert_eq!(ids, ["1_1", "1_2", "1_3", "1_4", "1_5"]);
        assert_eq!(stream.event(), None);
    }
}

/// A proxy would cut a quiet call off, thinking it lost.
#[test]
fn a_long_wait_is_filled_with_comments() {
    let world = World::new();
    let service = serve(&world, "[timeouts]\nsse_keepalive = \"100ms\"", &[("one", &[])]);
    let client = Client::open_version(&service, "one", "2025-06-18");
    let mut stream = client.call(1, "sleep", json!({ "ms": 1000 }));
    assert!(stream.is_stream());
    let mut comments = 0;
    let answer = loop {
        match stream.event() {
            Some(Event::Comment) => comments += 1,
            Some(Event::Message(_, message)) => break message,
            other => panic!("{other:?}"),
        }
    };
    assert!(comments >= 2, "{comments}");
    assert_eq!(answer["result"]["content"][0]["text"], "slept 1000 ms");
    let mut listening = client.listen(None);
    assert_eq!(listening.event(), Some(Event::Comment));
}

/// A client would never hear that the tools have changed.
#[test]
fn what_belongs_to_no_request_comes_on_the_standalone_stream() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let mut stream = client.listen(None);
    assert!(matches!(stream.event(), Some(Event::Priming(id)) if id.starts_with("0_")));
    assert_eq!(client.text("change_tools", json!({})), "announced");
    until(&mut stream, "notifications/tools/list_changed");

    let mut second = client.listen(None);
    assert!(matches!(second.event(), Some(Event::Priming(_))));
    assert!(stream.messages().is_empty(), "the first stream ends when a second replaces it");
    client.text("change_tools", json!({}));
    until(&mut second, "notifications/tools/list_changed");
}

/// A laptop that slept for a minute would have missed what happened in it.
#[test]
fn a_client_that_reconnects_gets_what_it_missed() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let touch = || assert_eq!(client.text("change_tools", json!({})), "announced");
    let mut stream = client.listen(None);
    touch();
    let (seen, _) = stream.message().unwrap();
    touch();
    touch();
    let missed: Vec<String> = (0..2).map(|_| stream.message().unwrap().0).collect();
    drop(stream);
    let mut resumed = client.listen(Some(&seen));
    let again: Vec<String> = (0..2).map(|_| resumed.message().unwrap().0).collect();
    assert_eq!(again, missed);
    drop(resumed);
    eventually("the end of the stream is seen", || {
        service.metrics().contains("mcpvisor_streams_open{backend=\"one\",kind=\"get\"} 0").then_some(())
    });
}

/// A call of several minutes would have to be made again because the network blinked.
#[test]
fn an_answer_is_not_lost_with_the_connection_of_its_call() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let mut stream = client.call_with_progress(1, "progress", json!({ "steps": 20, "ms": 50 }));
    let (_, first) = stream.message().unwrap();
    let (id, second) = stream.message().unwrap();
    assert_eq!((progress_of(&first), progress_of(&second)), (0, 1));
    drop(stream);
    let resumed = client.listen(Some(&id)).messages();
    let steps: Vec<i64> = resumed[..resumed.len() - 1].iter().map(progress_of).collect();
    assert_eq!(steps, (2..=20).collect::<Vec<_>>());
    assert_eq!(resumed.last().unwrap()["result"]["content"][0]["text"], "20 steps");

    // Once more, after the end: the last bytes of a stream can be lost as well.
    let again = client.listen(Some("1_21")).messages();
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0]["id"], 1);
    // Another session has no part in it.
    assert_eq!(Client::open(&service, "one").listen(Some("1_0")).status, 400);
}

/// The other end of a connection may have died without a word: its client must not be told to go away.
#[test]
fn a_client_takes_its_stream_over_from_a_connection_that_only_seems_alive() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    let mut stale = client.call_with_progress(1, "progress", json!({ "steps": 20, "ms": 50 }));
    let (id, _) = stale.message().unwrap();
    let resumed = client.listen(Some(&id)).messages();
    assert_eq!(resumed.len(), 21);
    drop(stale);
}

/// A server that needs its client's model, its user or its files could not work.
#[test]
fn a_server_asks_its_client_in_the_middle_of_a_call() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let client = Client::open(&service, "one");
    for (id, tool, method) in [
        (1, "sample", "sampling/createMessage"),
        (2, "elicit", "elicitation/create"),
        (3, "roots", "roots/list"),
    ] {
        let mut stream = client.call(id, tool, json!({}));
        let request = until(&mut stream, method);
        answer(&client, &request, json!({ "said": tool }));
        let (_, last) = stream.message().unwrap();
        let text = last["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), json!({ "said": tool }));
    }
}

/// Some servers ask for the roots before their client listens: they would wait for ever.
#[test]
fn a_request_that_finds_no_stream_waits_for_one() {
    let world = World::new();
    let service = serve(&world, "", &[("early", &["--request-early"])]);
    let client = Client::open(&service, "early");
    let mut stream = client.listen(None);
    let request = until(&mut stream, "roots/list");
    answer(&client, &request, json!({ "roots": [] }));

    // A client that never opens one gets it with its next answer.
    let client = Client::open(&service, "early");
    let asked = eventually("the request comes along", || {
        let stream = client.call(1, "echo", json!({ "message": "hi" }));
        stream.is_stream().then(|| stream.messages())
    });
    assert_eq!(asked[0]["method"], "roots/list");
    assert_eq!(asked[1]["id"], 1);
}

/// One client that stopped reading would stop its own calls, or everybody's.
#[test]
fn a_stream_nobody_reads_holds_nothing_up() {
    let world = World::new();
    let service = serve(&world, "", &[("one", &[])]);
    let (slow, other) = (Client::open(&service, "one"), Client::open(&service, "one"));
    let unread = slow.listen(None);
    // With two calls in flight a log line belongs to neither, and goes to the stream that nobody reads.
    let waiting = slow.clone();
    let sleep = std::thread::spawn(move || waiting.call(1, "sleep", json!({ "ms": 60_000 })));
    eventually("the call is in flight", || {
        (slow.text("peak", json!({})).parse::<u32>().unwrap() >= 2).then_some(())
    });
    let text = "x".repeat(100_000);
    eventually("the stream is cut off", || {
        for _ in 0..100 {
            assert_eq!(slow.text("log", json!({ "level": "info", "text": text })), "logged");
        }
        let metrics = service.metrics();
        let mut overflows =
            metrics.lines().filter(|line| line.starts_with("mcpvisor_stream_overflows_total"));
        overflows.any(|line| !line.ends_with(" 0")).then_some(())
    });
    assert_eq!(other.text("echo", json!({ "message": "hi" })), "hi");
    assert_eq!(slow.text("echo", json!({ "message": "hi" })), "hi");
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert_eq!(slow.post(&cancel).status, 202);
    sleep.join().unwrap();
    drop(unread);
}
