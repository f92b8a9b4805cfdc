//! Bytes as no HTTP client would send them, and what comes back.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::PATIENCE;

/// Whoever has said something and then nothing for this long has no more to say.
const QUIET: Duration = Duration::from_millis(200);

/// What the sender does once it has sent everything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Waits for an answer.
    Waits,
    /// Says that no more comes.
    Ends,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Of every response, in order.
    pub statuses: Vec<u16>,
    pub text: String,
    /// Whether the other side has closed the connection, or cut it.
    pub closed: bool,
}

/// Sends it on a connection of its own. With `closes` the end is waited for; else whether there is one is seen after a while
/// without a word.
pub async fn talk(address: &str, bytes: &[u8], then: Then, closes: bool) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("the service listens");
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        // It may be refused before all of it is there.
        let _ = writer.write_all(bytes).await;
        if then == Then::Ends {
            let _ = writer.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    let mut read = Vec::new();
    let reading = async {
        loop {
            let patience = if read.is_empty() || closes { PATIENCE } else { QUIET };
            match tokio::time::timeout(patience, reader.read_buf(&mut read)).await {
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
    };
    let closed = tokio::select! {
        closed = reading => closed,
        () = writing => unreachable!("it waits for ever"),
    };
    let text = String::from_utf8_lossy(&read).into_owned();
    let status = |head: &str| head.get(..3)?.parse().ok();
    let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(status).collect();
    Answer { statuses, text, closed }
}
