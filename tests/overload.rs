//! Too much of anything is refused at once, and one who is slow or loud delays nobody else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Ask, Client, Service, backend, code, eventually, reason, text_of};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that asks too much would be left waiting, and not know that it should slow down.
#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let settings = "limits.max_in_flight = 2\nlimits.max_queued = 1\n";
    let service = Service::start(&backend("a", &[], settings)).await;
    let (client, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let sleep = || client.text("sleep", json!({ "ms": 2000 }));
    let ((), one, two, three) = tokio::join!(
        async {
            let full = async || {
                let shown = service.connections().await;
                let sum = |key: &str| shown.iter().map(|one| one[key].as_u64().unwrap()).sum::<u64>();
                (sum("in_flight") == 2 && sum("queued") == 1).then_some(())
            };
            eventually("two are in flight and one waits", full).await;
            let asked = Instant::now();
            let answer = client.call("echo", json!({ "message": "hi" })).await;
            assert!(asked.elapsed() < Duration::from_secs(1), "refused only after {:?}", asked.elapsed());
            assert_eq!((code(&answer), reason(&answer)), (-31004, "queue"), "{answer}");
            assert!(answer["error"]["data"]["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{answer}");
            assert_eq!(other.text("echo", json!({ "message": "hi" })).await, "hi", "a limit per session");
        },
        sleep(),
        sleep(),
        sleep()
    );
    assert_eq!([one, two, three], ["slept 2000 ms"; 3]);
    assert_eq!(client.text("peak", json!({})).await, "2", "the server never had more");
    assert_eq!(client.text("echo", json!({ "message": "hi" })).await, "hi");
}

/// A service at its limit would launch on until the machine gives up.
#[tokio::test]
async fn a_session_too_many_is_503_and_there_is_room_again_later() {
    let service = Service::start(&(format!("[limits]\nmax_sessions = 2\n{}", backend("a", &[], "")))).await;
    let (one, two) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let refused = Ask::mcp("/mcp/a", initialize).send(&service.main).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some_and(|value| value.parse::<u64>().unwrap() > 0));
    let body = refused.json().await;
    assert_eq!((code(&body), reason(&body), &body["id"]), (-31004, "sessions", &json!(0)), "{body}");
    assert_eq!(service.connections().await.len(), 2, "nothing was launched for it");
    one.delete().await;
    let three = Client::open(&service, "a").await;
    assert_eq!(three.text("counter", json!({})).await, "1");
    assert_eq!(two.text("counter", json!({})).await, "1");
}

/// One client with a stopped debugger would stop everybody.
#[tokio::test]
async fn a_client_that_never_reads_delays_nobody() {
    let service = Service::start(&backend("a", &[], "")).await;
    let (client, other) = (Client::open(&service, "a").await, Client::open(&service, "a").await);
    let mut stuck = Vec::new();
    for tool in ["big", "progress"] {
        let arguments = json!({ "bytes": 8 << 20, "steps": 30_000, "ms": 0 });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": tool } });
        stuck.push(send_and_do_not_read(&client, &client.message("tools/call", params)).await);
    }
    let get = client.credentials(Ask::new("GET", &client.path)).header("accept", "text/event-stream");
    let unread = get.send(&service.main).await;
    client.request("resources/subscribe", json!({ "uri": "fixture://one" })).await;
    for number in 0..1500 {
        let start = Instant::now();
        assert_eq!(client.text("touch", json!({ "uri": "fixture://one" })).await, "announced");
        assert!(start.elapsed() < Duration::from_secs(5), "call {number} took {:?}", start.elapsed());
    }
    assert_eq!(other.text("counter", json!({})).await, "1");
    assert_eq!(service.connections().await.iter().filter(|one| one["restarts"] != 0).count(), 0);
    drop(unread);

    // What it had not read is still right when it reads at last.
    let mut big = Vec::new();
    let mut first = stuck.remove(0);
    common::soon("the big answer", first.read_to_end(&mut big)).await.unwrap();
    assert!(big.len() > 8 << 20 && big.ends_with(b"}"), "{} bytes", big.len());
}

/// A server's log would fill a disk or a pipe, and block the server or the service.
#[tokio::test]
async fn a_flood_on_standard_error_harms_nothing() {
    let config = [backend("loud", &["--flood-stderr"], ""), backend("quiet", &[], "")].concat();
    let service = Service::start(&config).await;
    let (loud, quiet) = (Client::open(&service, "loud").await, Client::open(&service, "quiet").await);
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < Duration::from_secs(2) {
        count += 1;
        assert_eq!(loud.text("counter", json!({})).await, count.to_string());
        assert_eq!(quiet.text("counter", json!({})).await, count.to_string());
    }
    assert!(count > 20, "only {count} calls in two seconds");
    assert_eq!(loud.known("pid").await["start"], 1);
    let log = service.log().len();
    assert!(log < 4 << 20, "the flood went on into our own log: {log} bytes");
    let resident = resident_kib(service.pid());
    assert!(resident < 300 << 10, "{resident} KiB of memory");
}

/// A print statement in a server would cost its users the session.
#[tokio::test]
async fn noise_on_standard_output_is_skipped() {
    let service = Service::start(&backend("a", &["--garbage"], "")).await;
    let client = Client::open(&service, "a").await;
    for count in 1..=20 {
        assert_eq!(client.text("counter", json!({})).await, count.to_string());
    }
    assert!(service.metric(r#"mcpvisor_noise_lines_total{backend="a"}"#).await > 20.0);
    assert_eq!(service.connections().await[0]["error_count"], 0);
}

/// A slow starter would keep everybody waiting for their own servers.
#[tokio::test]
async fn a_slow_launch_delays_nobody_else() {
    let config = [backend("slow", &["--slow-start", "4000"], ""), backend("quick", &[], "")].concat();
    let service = Service::start(&config).await;
    let start = Instant::now();
    let (slow, quick) = tokio::join!(
        async {
            Client::open(&service, "slow").await;
            start.elapsed()
        },
        async {
            let client = Client::open(&service, "quick").await;
            assert_eq!(client.text("counter", json!({})).await, "1");
            start.elapsed()
        }
    );
    assert!(quick < Duration::from_secs(3) && slow >= Duration::from_secs(4), "{quick:?} {slow:?}");
}

/// A server that stops reading would take its user's requests into nothing.
#[tokio::test]
async fn a_server_that_stops_reading_is_replaced() {
    let folder = tempfile::TempDir::new().unwrap();
    let starts = folder.path().join("starts");
    let flags = ["--never-read", "--count-starts", starts.to_str().unwrap(), "--only-first", "1"];
    let settings = "timeouts.launch = \"1s\"\n";
    let service = Service::start_in(folder, &backend("a", &flags, settings), &[]).await;
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let answer = Ask::mcp("/mcp/a", initialize).send(&service.main).await.json().await;
    assert_eq!((code(&answer), reason(&answer)), (-31006, "launch_timeout"), "{answer}");
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
}

/// A tool that never answers would keep its client for ever, and everything behind it.
#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_and_cancelled() {
    let service = Service::start(&backend("a", &["--no-answer"], "timeouts.request = \"500ms\"")).await;
    let client = Client::open(&service, "a").await;
    let answer = client.call("silent", json!({})).await;
    assert_eq!((code(&answer), reason(&answer)), (-31003, "request"), "{answer}");
    assert_eq!(client.text("cancelled", json!({})).await, "1", "the server may stop working on it");
    // A task that shows progress takes as long as it takes.
    let params = json!({ "name": "progress", "arguments": { "steps": 10, "ms": 200 }, "_meta": { "progressToken": 1 } });
    let messages = client.post(&client.message("tools/call", params)).await.messages().await;
    assert_eq!(text_of(messages.last().unwrap()), "10 steps");
    assert_eq!(service.connections().await[0]["error_count"], 0, "a slow tool is no fault");
}

/// Large answers, such as screenshots, would arrive damaged or not at all.
#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Client::open(&service, "a").await;
    for bytes in [100_000, 1 << 20, 15 << 20] {
        assert_eq!(client.text("big", json!({ "bytes": bytes })).await.len(), bytes);
    }
    let message = "x".repeat(3 << 20);
    assert_eq!(client.text("echo", json!({ "message": message })).await, message);
}

async fn send_and_do_not_read(client: &Client, message: &Value) -> TcpStream {
    let body = message.to_string();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: */*\r\n\
         Mcp-Session-Id: {}\r\nContent-Length: {}\r\n\r\n",
        client.path,
        client.session,
        body.len()
    );
    let mut stream = TcpStream::connect(&client.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}
