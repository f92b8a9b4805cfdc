//! What a connection is on: a socket, or TLS over one.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::telemetry::limits;

/// See the module.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// Readable when something comes. To be asked only where a read has found nothing: TLS may have read ahead.
    fn socket(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Shakes hands; `None`: it came to nothing. A client that does not go on with it is waited for no longer than for a head.
pub(super) async fn shake_hands(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    patience: Duration,
    stop: &CancellationToken,
) -> Option<TlsStream<TcpStream>> {
    let accepting = timeout(patience, TlsAcceptor::from(tls).accept(stream));
    let accepted = tokio::select! {
        accepted = accepting => accepted,
        () = stop.cancelled() => return None,
    };
    match accepted {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(event = "front.handshake_failed", %error);
            None
        }
        Err(_) => {
            limits::reached(limits::HEADER_TIMEOUT);
            None
        }
    }
}
