//! A client that stops reading: a debugger, a closed lid, a bug.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::common::{Ask, Client, code, eventually, text_of};
use crate::world::{Memory, World};

/// What a flood brings in all: far more than may be kept of it.
const FLOOD: usize = 200 << 20;

/// One client with a stopped debugger would take the memory of everybody, or keep its own server from working.
#[tokio::test]
async fn what_nobody_reads_is_kept_within_bounds() {
    let world = World::new(&["--flood"], "").await;
    let memory = Memory::watch(&world.service);
    let flood = |each: usize| {
        let arguments = json!({ "what": "messages", "bytes": FLOOD, "each": each });
        world.victim.message("tools/call", json!({ "name": "flood", "arguments": arguments }))
    };
    // On the stream of a call that nobody reads: large messages, then many.
    for each in [1 << 20, 10 << 10] {
        let unread = send_and_do_not_read(&world.victim, &flood(each)).await;
        world.during(idle_again(&world)).await;
        memory.grew_less_than(64);
        drop(unread);
    }
    // On the stream that belongs to no call.
    let get = world.victim.credentials(Ask::new("GET", &world.victim.path));
    let unread = get.header("accept", "text/event-stream").send(&world.service.main).await;
    let answer = world.during(async { world.victim.post(&flood(1 << 20)).await.messages().await }).await;
    assert_eq!(text_of(answer.last().unwrap()), format!("flooded {FLOOD} bytes"), "its answer waits for nobody");
    memory.grew_less_than(64);
    drop(unread);
    world.counted().await;
    world.end().await;
}

async fn idle_again(world: &World) {
    let done = async || (world.connection().await["in_flight"] == 0).then_some(());
    eventually("the server has said all it had to say", done).await;
}

/// A client that calls on and on, and takes no answer.
#[tokio::test]
async fn answers_that_nobody_fetches_are_not_piled_up_without_end() {
    let world = World::new(&[], "").await;
    let memory = Memory::watch(&world.service);
    let mut unread = Vec::new();
    for _ in 0..100 {
        let call = world.victim.message("tools/call", json!({ "name": "big", "arguments": { "bytes": 8 << 20 } }));
        unread.push(send_and_do_not_read(&world.victim, &call).await);
        idle_again(&world).await;
    }
    memory.grew_less_than(16 + 64);
    world.end().await;
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
