//! Too much of something, and too little at a time.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{Client, eventually, open_files, soon};
use crate::wire::Then::Waits;
use crate::world::{MALLORY, World};

/// How many connections a flood has: as many as were promised if that is wanted.
fn many() -> usize {
    if std::env::var_os("MCPVISOR_TEST_SLOW").is_some() { 10_000 } else { 1000 }
}

/// More than this nobody who works may wait, whatever others do.
const PROMPT: Duration = Duration::from_secs(5);

/// Connects so often, sends that on each, and keeps them.
async fn half_open(world: &World, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for number in 0..count {
        let mut stream = soon("a connection", TcpStream::connect(&world.service.main)).await.unwrap();
        let _ = stream.write_all(bytes).await;
        streams.push(stream);
        if number % 100 == 99 {
            tokio::task::yield_now().await;
        }
    }
    streams
}

/// A few thousand connections of one client would keep everybody else out.
#[tokio::test]
async fn connections_that_say_nothing_or_half_of_it_keep_nobody_out() {
    // Each is a descriptor at either end.
    let wanted = 2 * many() as u64;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    assert!(
        limit.is_none_or(|limit| limit >= wanted),
        "this takes {wanted} open files, and {limit:?} are allowed"
    );
    let own = rustix::process::Rlimit { current: limit, maximum: limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, own).unwrap();
    let world = World::new("").await;
    let before = open_files(world.service.pid());
    let head = format!(
        "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {MALLORY}\r\nContent-Type: application/json\r\nAccept: */*\r\nMcp-Session-Id: {}\r\n",
        world.mallory.session
    );
    let body = format!("{head}Content-Length: 1000\r\n\r\n{{\"jsonrpc\":");
    let chunk = format!("{head}Transfer-Encoding: chunked\r\n\r\nff");
    for (name, count, bytes) in [
        ("silent ones", many(), ""),
        ("half a head", many() / 10, &*head),
        ("half a body", many() / 10, &*body),
        ("half a chunk", many() / 10, &*chunk),
    ] {
        let start = Instant::now();
        let streams = world.attack(name, half_open(&world, count, bytes.as_bytes())).await;
        let asked = Instant::now();
        world
            .attack("a request beside them", async {
                assert_eq!(world.mallory.text("echo", json!({ "message": "m" })).await, "m")
            })
            .await;
        assert!(asked.elapsed() < PROMPT, "{name}: {:?}", asked.elapsed());
        println!(
            "{name}: {count} connections in {:?}, {} files open",
            asked - start,
            open_files(world.service.pid())
        );
        drop(streams);
        let closed = async || (open_files(world.service.pid()) < before + 50).then_some(());
        eventually("those who went are forgotten", closed).await;
    }
    world.ends("floods, connections").await;
}

/// Clients that all come at once, as after a restart, would wait a second for each other.
#[tokio::test]
async fn a_burst_of_connections_finds_room_while_the_service_does_something_else() {
    let world = World::new("").await;
    world.service.signal(Signal::STOP);
    let connecting = tokio::time::timeout(
        PROMPT,
        half_open(&world, 1000, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    );
    let streams = connecting.await;
    world.service.signal(Signal::CONT);
    for mut stream in streams.expect("nobody waits for the one before") {
        let mut answer = [0; 12];
        soon("an answer", stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    world.attack("a burst", async {}).await;
    world.ends("floods, bursts").await;
}

/// Whoever sends a byte now and then would cost as much as one who works.
#[tokio::test]
async fn drops_of_a_body_cost_nobody_else_anything() {
    let world = World::new("").await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let head = |length: &str| {
        format!(
            "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {MALLORY}\r\nContent-Type: application/json\r\nAccept: */*\r\nMcp-Session-Id: {}\r\nConnection: close\r\n{length}\r\n",
            world.mallory.session
        )
    };
    let length = format!("Content-Length: {}\r\n", body.len());
    let rows = [
        ("a body by the byte", head(&length), body.to_owned()),
        (
            "chunks by the byte",
            head("Transfer-Encoding: chunked\r\n"),
            format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        ),
        ("a head by the byte", String::new(), head(&length) + body),
    ];
    for (name, at_once, slowly) in rows {
        let answer = world.attack(name, async {
            let mut stream = TcpStream::connect(&world.service.main).await.unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(at_once.as_bytes()).await.unwrap();
            for byte in slowly.bytes() {
                stream.write_all(&[byte]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let mut answer = String::new();
            soon(name, stream.read_to_string(&mut answer)).await.unwrap();
            answer
        });
        let answer = answer.await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{name}: a slow client is a client: {answer}");
    }
    world.ends("floods, drops").await;
}

/// One client would occupy the service with questions whose answers it never reads.
#[tokio::test]
async fn many_requests_on_one_connection_wait_for_each_other_and_for_nobody_else() {
    let world = World::new("").await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let one = format!(
        "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {MALLORY}\r\nContent-Type: application/json\r\nAccept: */*\r\nMcp-Session-Id: {}\r\nContent-Length: {}\r\n\r\n{ping}",
        world.mallory.session,
        ping.len()
    );
    let all = vec![200_u16; 500];
    world.sends("500 requests at once", one.repeat(500).as_bytes(), Waits, false, &[&all]).await;
    let large = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "big", "arguments": { "bytes": 1 << 20 } } }).to_string();
    let large = one
        .replace(ping, &large)
        .replace(&format!("Length: {}", ping.len()), &format!("Length: {}", large.len()));
    let unread = world.attack("answers that nobody reads", async {
        let mut streams = Vec::new();
        for _ in 0..20 {
            let mut stream = TcpStream::connect(&world.service.main).await.unwrap();
            stream.write_all(large.repeat(20).as_bytes()).await.unwrap();
            streams.push(stream);
        }
        streams
    });
    let unread = unread.await;
    world
        .attack("a request beside them", async { assert_eq!(world.service.get("/readyz").await.status, 200) })
        .await;
    drop(unread);
    eventually("their calls are over", async || {
        let shown = world.service.connections().await;
        shown.iter().all(|one| one["in_flight"] == 0 && one["queued"] == 0).then_some(())
    })
    .await;
    world.ends("floods, unread").await;
}

/// Sessions that nobody uses would take the room of those who work.
#[tokio::test]
async fn sessions_and_streams_have_limits() {
    let world = World::new("[limits]\nmax_sessions = 20\n").await;
    let mut sessions = Vec::new();
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    for _ in 0..18 {
        sessions.push(
            world
                .attack("one more session", Client::open_with(&world.service, "alpha", MALLORY, json!({})))
                .await,
        );
    }
    for _ in 0..20 {
        let ask = crate::common::Ask::mcp("/mcp/alpha", initialize.clone())
            .header("authorization", &format!("Bearer {MALLORY}"));
        world.asks("a session too many", ask, (503, -31004)).await;
    }
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(world.attack("a stream too many", world.mallory.stream()).await);
    }
    let open = open_files(world.service.pid());
    assert!(open < 400, "{open} files are open: each stream takes the place of the one before");
    for session in sessions {
        session.delete().await;
    }
    drop(streams);
    world.ends("floods, sessions").await;
}
