//! A client that stops reading: a debugger, a closed lid, a bug.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::common::{Ask, Client, code, eventually, reason, soon, text_of};
use crate::world::{Memory, World};

/// What a flood brings in all, in bytes: far more than may be kept of it.
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
        let unread = world.during(sent(&world, &flood(each))).await;
        memory.grew_less_than(64);
        drop(unread);
    }
    // On the stream that belongs to no call.
    let get = world.victim.credentials(Ask::new("GET", &world.victim.path));
    let unread = get.header("accept", "text/event-stream").send(&world.service.main).await;
    let answer = world.during(async { world.victim.post(&flood(1 << 20)).await.messages().await }).await;
    let text = text_of(answer.last().unwrap());
    assert_eq!(text, format!("flooded {FLOOD} bytes"), "an answer waits for no other stream");
    memory.grew_less_than(64);
    drop(unread);
    world.counted().await;
    world.end().await;
}

/// A client that calls on and on, and takes no answer, would take the memory of everybody.
#[tokio::test]
async fn answers_that_nobody_fetches_are_not_piled_up_without_end() {
    let world = World::new(&[], "").await;
    let memory = Memory::watch(&world.service);
    let big = |bytes: usize| json!({ "name": "big", "arguments": { "bytes": bytes } });
    let mut unread = Vec::new();
    for _ in 0..50 {
        let call = world.victim.message("tools/call", big(8 << 20));
        unread.push(sent(&world, &call).await);
    }
    // Four times `limits.max_message_bytes`, and what copying takes.
    memory.grew_less_than(4 * 16 + 64);
    let answer = world.during(world.victim.request("tools/call", big(1))).await;
    assert_eq!((code(&answer), reason(&answer)), (-31004, "unfetched"), "{answer}");
    assert!(answer["error"]["data"]["retry_after_ms"].is_u64(), "{answer}");

    drop(unread);
    let works = async || {
        let answer = world.victim.request("tools/call", big(1)).await;
        (code(&answer) == 0).then_some(())
    };
    world.during(eventually("it can go on once it has let go of them", works)).await;
    world.counted().await;
    world.end().await;
}

/// Sends it, reads nothing, and waits until it has been answered.
async fn sent(world: &World, message: &Value) -> TcpStream {
    let unread = send_and_do_not_read(&world.victim, message).await;
    soon("the beginning of an answer", unread.readable()).await.unwrap();
    let done = async || (world.connection().await["in_flight"] == 0).then_some(());
    eventually("the server has said all it had to say", done).await;
    unread
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
