//! What clients may do to the listeners before anybody knows who they are: each bound answers with its status, is counted,
//! and costs nobody else anything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Ask, Client, Service, all, backend, eventually, raw, soon};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// What that setting has refused so far.
async fn reached(service: &Service, setting: &str) -> f64 {
    service.metric(&format!(r#"mcpvisor_limits_reached_total{{limit="{setting}"}}"#)).await
}

async fn connect(service: &Service, first: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&service.main).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    stream
}

/// What comes until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut read = Vec::new();
    let _ = soon("the end of the connection", stream.read_to_end(&mut read)).await;
    String::from_utf8(read).unwrap()
}

async fn trickle(stream: &mut TcpStream, bytes: &str) -> String {
    let (mut read, mut write) = stream.split();
    let writing = async {
        for byte in bytes.bytes().cycle() {
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        read = soon("an answer", read.read_to_end(&mut answer)) => drop(read),
        () = writing => {}
    }
    String::from_utf8(answer).unwrap()
}

/// A few hundred connections that send a byte now and then would keep everybody else out.
#[tokio::test]
async fn heads_that_trickle_are_given_up_and_delay_nobody() {
    let config = format!("[http]\nheader_timeout = \"1s\"\n{}", backend("a", &[], ""));
    let service = Service::start(&config).await;
    let client = Client::open(&service, "a").await;
    let slow = async {
        let many = (0..200).map(async |_| {
            let mut stream = connect(&service, "POST /mcp/a HTTP/1.1\r\nX-Slow: ").await;
            trickle(&mut stream, "x").await
        });
        all(many).await
    };
    let quick = async {
        for count in 1..=20 {
            let start = Instant::now();
            assert_eq!(client.text("counter", json!({})).await, count.to_string());
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        }
    };
    let (answers, ()) = tokio::join!(slow, quick);
    let told = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 408")).count();
    // Bytes that cross with the end of a connection can take the answer with them.
    assert!(told > 0, "{:?}", answers.first());
    assert!(reached(&service, "http.header_timeout").await >= 200.0);
}

/// A slow tool, or a stream in which nothing is said, would be cut off as if nobody used it.
#[tokio::test]
async fn silence_is_closed_but_not_what_is_waited_for() {
    let settings =
        "[http]\nheader_timeout = \"300ms\"\nkeep_alive = \"700ms\"\n[timeouts]\nsse_keepalive = \"10s\"\n";
    let service = Service::start(&format!("{settings}{}", backend("a", &[], ""))).await;
    let client = Client::open(&service, "a").await;
    let mut stream = client.stream().await;
    let silent = rest(connect(&service, "").await);
    let (closed, slept) = tokio::join!(silent, client.text("sleep", json!({ "ms": 2500 })));
    assert_eq!((closed.as_str(), slept.as_str()), ("", "slept 2500 ms"));
    let kept = rest(connect(&service, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await).await;
    assert!(kept.starts_with("HTTP/1.1 200"), "{kept}");
    assert_eq!(kept.matches("HTTP/1.1").count(), 1, "closed without a word: {kept}");
    client.request("resources/subscribe", json!({ "uri": "fixture://one" })).await;
    assert_eq!(client.text("touch", json!({ "uri": "fixture://one" })).await, "announced");
    let told = stream.message().await.unwrap();
    assert_eq!(told["method"], "notifications/resources/updated", "the stream is the same: {told}");
    assert_eq!(reached(&service, "http.header_timeout").await, 0.0);
}

/// Whoever opens connections, and does nothing else, would have them all.
#[tokio::test]
async fn a_connection_too_many_is_503_and_there_is_room_again_later() {
    let config = format!("[http]\nmax_tcp_connections = 8\n{}", backend("a", &[], ""));
    let service = Service::start(&config).await;
    let client = Client::open(&service, "a").await;
    let mut held = Vec::new();
    let full = async || {
        held.push(TcpStream::connect(&service.main).await.unwrap());
        (reached(&service, "http.max_tcp_connections").await > 0.0).then_some(())
    };
    eventually("the limit is reached", full).await;
    let answer = rest(TcpStream::connect(&service.main).await.unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1\r\n"), "{answer}");
    drop(held);
    let back = async || (Ask::new("GET", "/livez").try_send(&service.main).await? == 200).then_some(());
    eventually("there is room", back).await;
    assert_eq!(client.text("counter", json!({})).await, "1");
}

/// One machine could take all connections from the others.
#[tokio::test]
async fn an_address_at_its_bound_leaves_the_others_theirs() {
    let config = format!("[http]\nmax_tcp_connections_per_peer = 5\n{}", backend("a", &[], ""));
    let service = Service::start(&config).await;
    let from_elsewhere = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        socket.connect(service.main.parse().unwrap()).await.unwrap()
    };
    let mut held = Vec::new();
    let full = async || {
        held.push(from_elsewhere().await);
        (reached(&service, "http.max_tcp_connections_per_peer").await > 0.0).then_some(())
    };
    eventually("the limit is reached", full).await;
    let answer = rest(from_elsewhere().await).await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1\r\n"), "{answer}");
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
}

/// A client would not learn that it sends too much before it asks for anything.
#[tokio::test]
async fn heads_have_so_many_headers_and_bytes() {
    let config = format!("[http]\nmax_headers = 10\nmax_header_bytes = \"4KiB\"\n{}", backend("a", &[], ""));
    let service = Service::start(&config).await;
    let get = |headers: String| {
        format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    let status = async |headers: String| {
        let answer = raw(&service.main, get(headers).as_bytes()).await;
        answer.get(9..12).unwrap_or(&answer).to_owned()
    };
    assert_eq!(status("A: b\r\n".repeat(8)).await, "200");
    assert_eq!(status("A: b\r\n".repeat(9)).await, "431");
    assert_eq!(status(format!("A: {}\r\n", "b".repeat(3900))).await, "200");
    assert_eq!(status(format!("A: {}\r\n", "b".repeat(4100))).await, "431");
    assert_eq!(reached(&service, "http.max_header_bytes").await, 2.0);
    let page = Ask::new("GET", "/livez").header("x-long", &"b".repeat(4100)).send(&service.admin).await;
    assert_eq!(page.status, 431, "the admin listener has the same bounds");
}

/// Whoever sends a body byte by byte would hold what was read of it for ever.
#[tokio::test]
async fn a_body_that_trickles_is_408() {
    let config = format!("[http]\nbody_timeout = \"1s\"\n{}", backend("a", &[], ""));
    let service = Service::start(&config).await;
    let head = "POST /mcp/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\n\
                Content-Length: 100000\r\n\r\n";
    let mut stream = connect(&service, head).await;
    let answer = trickle(&mut stream, " ").await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("http.body_timeout"), "{answer}");
    assert_eq!(reached(&service, "http.body_timeout").await, 1.0);
    let client = Client::open(&service, "a").await;
    assert_eq!(client.text("counter", json!({})).await, "1");
}
