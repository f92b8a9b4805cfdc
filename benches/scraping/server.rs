//! A server in this process: shakes hands and answers whatever it is asked.

use mcpvisor_actors::OpenTransport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// More than any of its messages.
const BUFFER: usize = 4096;

pub fn transport() -> OpenTransport {
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    tokio::spawn(serve(theirs));
    let (reader, writer) = tokio::io::split(ours);
    OpenTransport::new(reader, writer)
}

async fn serve(stream: DuplexStream) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::with_capacity(512, reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"].is_null() {
            continue;
        }
        let result = match message["method"].as_str() {
            Some("initialize") => json!({ "protocolVersion": "2025-11-25", "capabilities": {} }),
            _ => json!({}),
        };
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        if writer.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}
