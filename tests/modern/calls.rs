//! Requests and their answers, to a backend of the era before and to one of the same.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Modern;
use crate::common::{PATIENCE, Service, all, backend, code, eventually, kill_9, reason, text_of};
use crate::demo;

/// Two clients would get each other's answers: both count from 1.
#[tokio::test]
async fn requests_with_the_same_id_at_the_same_time_never_mix() {
    let service = Service::start(&(backend("a", &[], "") + &demo("d", ""))).await;
    for name in ["a", "d"] {
        let asks = (0..24).map(async |number: u64| {
            let client = Modern::new(&service, name);
            // The late ones are asked for first, so that the answers overtake each other.
            let ms = 200 - number * 5;
            let sleep = client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": ms } }));
            let echo = json!({ "name": "echo", "arguments": { "message": number.to_string() } });
            let echo = client.message("tools/call", echo);
            let (mut sleep, mut echo) = (sleep, echo);
            (sleep["id"], echo["id"]) = (json!("same"), json!("same"));
            let (slept, said) = tokio::join!(client.post(&sleep), client.post(&echo));
            (number, ms, slept.json().await, said.json().await)
        });
        for (number, ms, slept, said) in all(asks).await {
            assert_eq!((text_of(&said), text_of(&slept)), (number.to_string(), format!("slept {ms} ms")));
            assert_eq!((&said["id"], &slept["id"]), (&json!("same"), &json!("same")));
        }
        let pids: Vec<Value> = service.connections().await.iter().map(|one| one["pid"].clone()).collect();
        assert!(pids.len() == if name == "a" { 1 } else { 2 }, "they share a process: {pids:?}");
    }
}

/// A client that waits for progress of its own would see that of others, or none.
#[tokio::test]
async fn progress_comes_under_the_token_of_the_request_that_asked_for_it() {
    let service = Service::start(&(backend("a", &[], "") + &demo("d", ""))).await;
    for (name, tool, arguments) in [
        ("a", "progress", json!({ "steps": 3, "ms": 20 })),
        ("d", "long_task", json!({ "steps": 3, "step_ms": 20 })),
    ] {
        let asks = [json!("token"), json!("token"), json!(7), Value::Null].into_iter().map(async |token| {
            let client = Modern::new(&service, name);
            let mut params = json!({ "name": tool, "arguments": arguments });
            if !token.is_null() {
                params["_meta"] = json!({ "progressToken": token });
            }
            let reply = client.post(&client.message("tools/call", params)).await;
            (token, reply.messages().await)
        });
        for (token, mut messages) in all(asks).await {
            let last = messages.pop().unwrap();
            assert!(text_of(&last).contains("3 steps"), "{last}");
            let progress = messages.iter().filter(|one| one["method"] == "notifications/progress");
            let seen: Vec<&Value> = progress.map(|one| &one["params"]["progressToken"]).collect();
            if token.is_null() {
                assert_eq!(messages, Vec::<Value>::new(), "{name}: nobody asked");
            } else {
                assert!(
                    seen.len() >= 3 && seen.iter().all(|one| **one == token),
                    "{name}: {token} {messages:?}"
                );
            }
        }
    }
}

/// A client would be told what the server logs though it did not ask, or not be told though it did.
#[tokio::test]
async fn log_lines_are_for_the_request_that_asked_and_from_its_level_on() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let log = async |level: Option<&str>, line: &str| {
        let mut params = json!({ "name": "log", "arguments": { "level": line, "text": "said" } });
        if let Some(level) = level {
            params["_meta"] = json!({ "io.modelcontextprotocol/logLevel": level });
        }
        let reply = client.post(&client.message("tools/call", params)).await;
        let messages = reply.messages().await;
        let is_line = |one: &&Value| one["method"] == "notifications/message";
        messages.iter().filter(is_line).map(|one| one["params"]["level"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(log(None, "emergency").await, Vec::<Value>::new());
    assert_eq!(log(Some("warning"), "info").await, Vec::<Value>::new());
    assert_eq!(log(Some("warning"), "warning").await, [json!("warning")]);
    assert_eq!(log(Some("debug"), "debug").await, [json!("debug")]);
    assert_eq!(log(None, "error").await, Vec::<Value>::new(), "what others asked for is forgotten");
    let wrong = json!({ "name": "log", "_meta": { "io.modelcontextprotocol/logLevel": "loud" } });
    let (_, answer) = client.request("tools/call", wrong).await;
    assert_eq!(code(&answer), -32602, "{answer}");
}

/// The same for a server of the same era, which is told with each request.
#[tokio::test]
async fn the_demo_server_logs_to_those_who_ask() {
    let service = Service::start(&demo("d", "")).await;
    let client = Modern::new(&service, "d");
    for (level, wanted) in [(None, 0), (Some("error"), 0), (Some("debug"), 1)] {
        let mut params = json!({ "name": "counter" });
        if let Some(level) = level {
            params["_meta"] = json!({ "io.modelcontextprotocol/logLevel": level });
        }
        let messages = client.post(&client.message("tools/call", params)).await.messages().await;
        let lines = messages.iter().filter(|one| one["method"] == "notifications/message").count();
        assert_eq!(lines, wanted, "{level:?}: {messages:?}");
    }
}

/// A client that has gone away would leave its work running: closing the connection is the cancel of this era.
#[tokio::test]
async fn a_client_that_closes_its_connection_takes_its_request_back() {
    let service = Service::start(&(backend("a", &[], "") + &demo("d", ""))).await;
    let client = Modern::new(&service, "a");
    client.pid().await;
    let message = client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 600_000 } }));
    let gone = tokio::time::timeout(Duration::from_millis(500), client.post(&message)).await;
    assert!(gone.is_err(), "nothing was said before its time");
    let seen = async || (client.text("cancelled", json!({})).await == "1").then_some(());
    eventually("the backend hears of it", seen).await;
    service.in_flight(0).await;
    let modern = Modern::new(&service, "d");
    modern.pid().await;
    let message = modern.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 600_000 } }));
    let gone = tokio::time::timeout(Duration::from_millis(500), modern.post(&message)).await;
    assert!(gone.is_err(), "nothing was said before its time");
    service.in_flight(0).await;
}

/// A call into a server that dies would hang, or fail without a reason, and the next one too.
#[tokio::test]
async fn a_crash_is_told_in_the_call_and_the_next_call_works() {
    let service = Service::start(&(backend("a", &["--fault-tools"], "") + &demo("d", ""))).await;
    for name in ["a", "d"] {
        let client = Modern::new(&service, name);
        let pid = client.pid().await;
        let (status, answer) = client.call("crash", json!({ "code": 3 })).await;
        assert_eq!((status, code(&answer), reason(&answer)), (200, -31001, "exit"), "{answer}");
        assert!(client.pid().await != pid, "another process answers");
    }
}

/// The same when it is killed while the call waits.
#[tokio::test]
async fn a_kill_is_told_in_the_call_and_the_next_call_works() {
    let service =
        Service::start(&(backend("a", &[], "retry = \"never\"") + &demo("d", "retry = \"never\""))).await;
    for name in ["a", "d"] {
        let client = Modern::new(&service, name);
        let pid = client.pid().await;
        let ((_, answer), ()) = tokio::join!(client.call("sleep", json!({ "ms": 60_000 })), async {
            service.in_flight(1).await;
            kill_9(pid);
        });
        assert_eq!((code(&answer), reason(&answer)), (-31001, "signal"), "{answer}");
        assert_eq!(client.text("add", json!({ "a": 2, "b": 3 })).await, "5");
    }
}

/// Errors of the era before would be read as something else in this one.
#[tokio::test]
async fn errors_get_the_codes_of_this_era() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let refused = async |code: i64| client.call("refuse", json!({ "code": code, "text": "no" })).await;
    for (given, wanted) in
        [(-32602, (200, -32602)), (-32603, (200, -32603)), (7, (200, 7)), (-32601, (404, -32601))]
    {
        let (status, answer) = refused(given).await;
        assert_eq!((status, code(&answer)), wanted, "{answer}");
        assert_eq!(answer["error"]["message"], "no");
    }
    for given in [-32020, -32021, -32022, -32050] {
        let (status, answer) = refused(given).await;
        assert_eq!(
            (status, code(&answer), &answer["error"]["data"]["code"]),
            (200, -32603, &json!(given)),
            "{answer}"
        );
    }
    let (status, answer) = refused(-32002).await;
    assert_eq!((status, code(&answer)), (200, -32602), "{answer}");
}

/// What a client declares would be lost on the way, or what it did not declare be asked of it.
#[tokio::test]
async fn what_a_client_has_not_declared_is_refused_with_what_it_takes() {
    let service = Service::start(&backend("a", &[], "")).await;
    for (tool, able, required) in [
        ("sample", json!({}), json!({ "sampling": {} })),
        ("elicit", json!({ "sampling": {} }), json!({ "elicitation": { "form": {} } })),
        ("elicit", json!({ "elicitation": { "url": {} } }), json!({ "elicitation": { "form": {} } })),
        ("roots", json!({ "elicitation": {} }), json!({ "roots": {} })),
    ] {
        let client = Modern::new(&service, "a").able(able.clone());
        let (status, answer) = client.call(tool, json!({})).await;
        let wanted = json!({ "requiredCapabilities": required });
        assert_eq!(
            (status, code(&answer), &answer["error"]["data"]),
            (400, -32021, &wanted),
            "{tool} {able}"
        );
        assert_eq!(client.text("echo", json!({ "message": "on" })).await, "on");
    }
    service.in_flight(0).await;
}

/// A tool that wants its user on a page would fail, though the client could show it.
#[tokio::test]
async fn a_page_to_visit_is_asked_for_and_the_call_is_made_again() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let page = json!({ "mode": "url", "elicitationId": "e", "url": "https://example.com/login", "message": "Log in" });
    let arguments = json!({ "code": -32042, "data": { "elicitations": [page] } });
    let (asked, state) = client.asked("refuse", arguments.clone()).await;
    let wanted = json!({ "r1": { "method": "elicitation/create",
        "params": { "mode": "url", "message": "Log in", "url": "https://example.com/login" } } });
    assert_eq!(asked, wanted);
    let answers = json!({ "r1": { "action": "accept" } });
    let (_, again) = client.answer("refuse", arguments.clone(), answers, &state).await;
    assert_eq!(
        again["result"]["resultType"], "input_required",
        "it was made again, and still wants it: {again}"
    );
    let unable = Modern::new(&service, "a").able(json!({ "elicitation": {} }));
    let (status, answer) = unable.call("refuse", arguments).await;
    let required = &answer["error"]["data"]["requiredCapabilities"];
    assert_eq!(
        (status, code(&answer), required),
        (400, -32021, &json!({ "elicitation": { "url": {} } })),
        "{answer}"
    );
}

/// What mcpvisor asks for itself before a call would cost each call the time that an answer may take.
#[tokio::test]
async fn a_server_that_ignores_what_precedes_a_call_is_called_all_the_same() {
    let flags = ["--ignore", "tools/list", "--ignore", "logging/setLevel"];
    let service =
        Service::start(&backend("a", &flags, "timeouts.probe = \"1s\"\ntimeouts.request = \"60s\"")).await;
    let client = Modern::new(&service, "a");
    assert_eq!(client.text("counter", json!({})).await, "1");
    let start = Instant::now();
    for count in 2..=10 {
        assert_eq!(client.text("counter", json!({})).await, count.to_string());
    }
    let loud = Modern::new(&service, "a").with_meta("io.modelcontextprotocol/logLevel", json!("debug"));
    assert_eq!(loud.text("counter", json!({})).await, "11");
    assert!(start.elapsed() < Duration::from_secs(8), "it took {:?}", start.elapsed());
}

/// A proxy on the way would close what is silent for long, and a client take the request for lost.
#[tokio::test]
async fn what_takes_long_becomes_a_stream_that_is_kept_alive() {
    let service = Service::start(&backend("a", &[], "timeouts.sse_keepalive = \"100ms\"")).await;
    let client = Modern::new(&service, "a");
    client.pid().await;
    let message = client.message("tools/call", json!({ "name": "sleep", "arguments": { "ms": 700 } }));
    let mut reply = client.post(&message).await;
    assert!(reply.is_stream() && reply.header("x-accel-buffering") == Some("no"));
    let answer = reply.message_within(PATIENCE).await.unwrap();
    assert_eq!((text_of(&answer), &answer["id"]), ("slept 700 ms".to_owned(), &message["id"]));
    assert_eq!(reply.message().await, None, "and it ends");
}
