//! One connection to an HTTP server, kept alive, one request at a time.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::response::Response;

/// Host, port and path of an `http://` URL.
#[derive(Clone)]
pub(crate) struct Target {
    address: String,
    path: String,
}

/// A connection with the answer to its last request.
pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    pub(crate) response: Response,
}

impl Target {
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").context("only http:// URLs can be measured")?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self { address: address.to_owned(), path: format!("/{path}") })
    }

    /// The part of a request's head that never changes.
    pub(crate) fn head(&self, method: &str, headers: &str) -> Vec<u8> {
        format!("{method} {} HTTP/1.1\r\nHost: {}\r\n{headers}", self.path, self.address).into_bytes()
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, request: Vec::new(), response: Response::default() })
    }
}

impl Connection {
    /// Sends a request in one piece and reads the response to its end.
    pub(crate) async fn exchange(&mut self, head: &[u8], body: &str) -> anyhow::Result<&Response> {
        self.send(head, body).await?;
        loop {
            let read = self.stream.read_buf(self.response.space()).await?;
            ensure!(read > 0, "the server closed the connection in the middle of a response");
            if self.response.advance()? {
                return Ok(&self.response);
            }
        }
    }

    /// The same, reading at most so many bytes at a time, with a pause after each.
    pub(crate) async fn sip(
        &mut self,
        head: &[u8],
        body: &str,
        bytes: usize,
        pause: Duration,
    ) -> anyhow::Result<()> {
        self.send(head, body).await?;
        loop {
            let read = (&mut self.stream).take(bytes as u64).read_buf(self.response.space()).await?;
            ensure!(read > 0, "the server closed the connection in the middle of a response");
            if self.response.advance()? {
                return Ok(());
            }
            sleep(pause).await;
        }
    }

    async fn send(&mut self, head: &[u8], body: &str) -> anyhow::Result<()> {
        self.request.clear();
        self.request.extend_from_slice(head);
        write!(self.request, "Content-Length: {}\r\n\r\n{body}", body.len())?;
        self.stream.write_all(&self.request).await?;
        self.response.clear();
        Ok(())
    }
}
