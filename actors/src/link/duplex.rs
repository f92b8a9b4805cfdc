//! A transport that somebody else opened: an in-process server, a test.

use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_config::Backend;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{Events, INBOUND_AHEAD, Inbound, Link, LinkEvent, Sent, classify};
use crate::fault::{Fault, FaultReason};
use crate::root::Seat;

/// Messages that may wait for the other side to read.
const OUTBOUND: usize = 1024;

/// An open transport that carries one JSON-RPC message per line, both ways.
pub struct OpenTransport {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl OpenTransport {
    /// The two halves of a transport: what the server says, and what it is told.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Self { reader: Box::new(reader), writer: Box::new(writer) }
    }
}

struct DuplexLink {
    outbound: Option<mpsc::Sender<Bytes>>,
    /// Aborted on drop; the seat is inside and goes with them.
    tasks: JoinSet<()>,
}

pub(crate) fn open(transport: OpenTransport, backend: &Backend, events: Events, seat: Seat) {
    let OpenTransport { reader, writer } = transport;
    let (outbound, messages) = mpsc::channel(OUTBOUND);
    let mut tasks = JoinSet::new();
    let limit = backend.limits.max_message_bytes;
    let reports = events.clone();
    let stall = backend.timeouts.write;
    tasks.spawn(async move {
        // The seat lives as long as the transport: until the writer has ended, or the link is dropped.
        let _seat = seat;
        if let Err(fault) = write(writer, messages, stall).await {
            reports.report(LinkEvent::Broken(fault));
        }
    });
    let reports = events.clone();
    tasks.spawn(async move {
        let fault = read(reader, limit, &reports).await;
        reports.report(LinkEvent::Broken(fault));
    });
    let link = DuplexLink { outbound: Some(outbound), tasks };
    events.report(LinkEvent::Open { link: Box::new(link), pid: None });
}

async fn write(
    mut writer: Box<dyn AsyncWrite + Send + Unpin>,
    mut messages: mpsc::Receiver<Bytes>,
    stall: std::time::Duration,
) -> Result<(), Fault> {
    let broken =
        |error: std::io::Error| Fault::new(FaultReason::Eof, format!("it cannot be written to: {error}"));
    let stalled =
        |_| Fault::new(FaultReason::WriteStalled, format!("it has not read for {stall:?} (timeouts.write)"));
    while let Some(message) = messages.recv().await {
        let line = async {
            writer.write_all(&message).await?;
            writer.write_all(b"\n").await?;
            writer.flush().await
        };
        tokio::time::timeout(stall, line).await.map_err(stalled)?.map_err(broken)?;
    }
    // Closed in order: the other side sees the end.
    let _ = writer.shutdown().await;
    Ok(())
}

async fn read(reader: Box<dyn AsyncRead + Send + Unpin>, limit: usize, events: &Events) -> Fault {
    let mut reader = BufReader::new(reader);
    let ahead = Arc::new(Semaphore::new(INBOUND_AHEAD));
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = limit as u64 + 1;
        match (&mut reader).take(most).read_until(b'\n', &mut line).await {
            Ok(0) => return Fault::new(FaultReason::Eof, "the transport ended"),
            Ok(_) if line.len() > limit => {
                let text = format!("a message longer than {limit} bytes (limits.max_message_bytes)");
                return Fault::new(FaultReason::Oversize, text);
            }
            Ok(_) => {}
            Err(error) => return Fault::new(FaultReason::Eof, format!("it cannot be read: {error}")),
        }
        let messages = match classify(Bytes::copy_from_slice(line.trim_ascii_end())) {
            Inbound::One(message) => vec![message],
            Inbound::Many(messages) => messages,
            Inbound::Noise => {
                events.report(LinkEvent::Noise);
                continue;
            }
            Inbound::Broken(error) => {
                return Fault::new(
                    FaultReason::Protocol,
                    format!("a line that is not valid JSON-RPC: {error}"),
                );
            }
        };
        for message in messages {
            let Ok(permit) = ahead.clone().acquire_owned().await else {
                return Fault::new(FaultReason::Eof, "the reader was closed");
            };
            events.report(LinkEvent::Message { message, via: None, permit: Some(permit) });
        }
    }
}

impl Link for DuplexLink {
    fn send(&mut self, message: Bytes, _request: Option<u64>) -> Sent {
        match self.outbound.as_ref().map(|outbound| outbound.try_send(message)) {
            Some(Err(mpsc::error::TrySendError::Full(_))) => Sent::Full,
            _ => Sent::Written,
        }
    }

    fn close(&mut self) {
        self.outbound = None;
    }

    fn kill(&mut self) {
        self.outbound = None;
        self.tasks.abort_all();
    }

    fn transport(&self) -> &'static str {
        "pipe"
    }
}
