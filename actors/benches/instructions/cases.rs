//! What is counted, and the bounds.
//!
//! The bounds are of the release profile with the toolchain of `rust-toolchain.toml` on x86-64, about a tenth above what was counted
//! when they were set. Whoever makes a case dearer on purpose sets its bound anew, and says why in the commit.

use std::hint::black_box;

use bytes::Bytes;
use mcpvisor_actors::message::Envelope;
use mcpvisor_actors::{
    CancellationToken, Inbound, Line, OpenTransport, SessionConnectionPool, Splitter, classify,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// One of them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Repetitions of the shorter run.
    pub(crate) times: u64,
    /// Instructions of one.
    pub(crate) bound: u64,
    /// Repeats it so often.
    pub(crate) run: fn(u64),
}

/// All.
pub(crate) const CASES: &[Case] = &[
    Case { name: "read-request", times: 2_000, bound: 3_600, run: read_request },
    Case { name: "give-request-another-id", times: 2_000, bound: 540, run: splice_request },
    Case { name: "frame-and-read-answer", times: 2_000, bound: 4_400, run: read_answer },
    Case { name: "frame-and-read-answer-64k", times: 100, bound: 360_000, run: read_large_answer },
    Case { name: "call-through-the-actors", times: 500, bound: 47_000, run: call },
];

const REQUEST: &[u8] = br#"{"jsonrpc":"2.0","id":4711,"method":"tools/call","params":{"name":"echo","arguments":{"message":"message 4711"}}}"#;

impl Case {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.name == name)
    }

    /// What is wrong, if anything is.
    pub(crate) fn verdict(&self, each: u64) -> Option<&'static str> {
        match each {
            _ if each > self.bound => Some("TOO MANY"),
            _ if each < self.bound / 2 => Some("so few that the bound is to be set anew"),
            _ => None,
        }
    }
}

fn read_request(times: u64) {
    let bytes = Bytes::from_static(REQUEST);
    for _ in 0..times {
        assert!(Envelope::parse(black_box(bytes.clone())).is_ok());
    }
}

fn splice_request(times: u64) {
    let request = Envelope::parse(Bytes::from_static(REQUEST)).ok();
    for _ in 0..times {
        let spliced = request.as_ref().map(|request| request.with_id(black_box(b"8")));
        assert_eq!(black_box(spliced).map(|bytes| bytes.len()), Some(REQUEST.len() - 3));
    }
}

fn read_answer(times: u64) {
    read_lines(&answer(12), times);
}

fn read_large_answer(times: u64) {
    read_lines(&answer(64 << 10), times);
}

/// From bytes of a pipe to an answer with the id of its client.
fn read_lines(line: &[u8], times: u64) {
    let mut splitter = Splitter::new(1 << 20);
    for _ in 0..times {
        splitter.push(black_box(line));
        let Some(Line::Frame(frame)) = splitter.pop() else { panic!("no line") };
        let Inbound::One(message) = classify(frame) else { panic!("no message") };
        black_box(message.with_id(b"4711"));
    }
}

fn answer(text: usize) -> Vec<u8> {
    let text = "a".repeat(text);
    format!("{{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}}}\n").into()
}

/// From the client's request to its answer: Route, Connection, link, a server in this process, and back.
fn call(times: u64) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        panic!("no runtime")
    };
    runtime.block_on(async {
        let Ok(pool) = SessionConnectionPool::new(CancellationToken::new()).await else { panic!("no pool") };
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        tokio::spawn(serve(theirs));
        let (reader, writer) = tokio::io::split(ours);
        let Ok(connection) = pool.set("echo", "session", OpenTransport::new(reader, writer)).await else {
            panic!("no connection")
        };
        let params = serde_json::json!({ "name": "echo", "arguments": { "message": "message 4711" } });
        for _ in 0..times {
            assert!(connection.request("tools/call", &params).await.is_ok());
        }
        pool.stop().await;
    });
}

async fn serve(stream: DuplexStream) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some((_, rest)) = line.split_once("\"id\":") else { continue };
        let id: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let result = if line.contains("\"initialize\"") {
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"echo","version":"1"}}"#
        } else {
            r#"{"content":[{"type":"text","text":"message 4711"}]}"#
        };
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n");
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
