//! Connections of either listener: accepted, served, let go.
//!
//! ```text
//! accept -> room (descriptors, http.max_tcp_connections, …_per_peer) -> TLS, if any -> Patient (header and idle timeouts) -> hyper -> service
//!                                                                        ^ rests without hyper while nothing comes
//! ```

mod complaints;
mod connection;
mod patient;
mod peers;
mod socket;
mod stage;

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use mcpvisor_actors::Headroom;
use mcpvisor_config::Http;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry::limits;
use crate::tls::Tls;
use complaints::Complaints;
use peers::{OfPeer, Peers};

/// Out of file descriptors, most likely: time for some to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What a connection is told that is one too many. It may not even have asked yet, but it need not wait for nothing.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// The same for one address.
const PEER_FULL: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How one listener is served.
pub(crate) struct Listening<H> {
    /// Whether the last file descriptors are kept from it.
    pub(crate) spares_descriptors: bool,
    /// What is configured now; holds for connections from then on.
    pub(crate) http: H,
    /// How connections shake hands, likewise.
    pub(crate) tls: Tls,
}

/// Why a connection is not served.
enum Refused {
    Descriptors,
    Connections,
    Peer,
}

impl<H: Fn() -> Http> Listening<H> {
    /// Serves until `stop`, each connection with the service that is made for its peer; then what is in flight is finished
    /// and idle connections are closed.
    pub(crate) async fn serve<S, B>(
        self,
        listener: TcpListener,
        stop: CancellationToken,
        service: impl Fn(SocketAddr) -> S,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let connections = TaskTracker::new();
        let (mut complaints, mut peers) = (Complaints::default(), Peers::default());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match self.admit(&stream, peer, connections.len(), &mut peers) {
                    Ok((http, scarce, counted)) => {
                        let (service, tls) = (service(peer), self.tls.config());
                        let connection = connection::serve(stream, tls, service, http, scarce, stop.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(counted);
                        });
                    }
                    Err(refused) => {
                        // Before a handshake nothing that we could say would be understood.
                        if self.tls.config().is_none() {
                            let _ = stream.try_write(refused.answer());
                        }
                        complaints.add(refused.cause(), Instant::now());
                    }
                },
                Err(error) => {
                    complaints.add(error, Instant::now());
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }

    /// Whether there is room for this one beside so many; then also whether descriptors are scarce.
    fn admit(
        &self,
        stream: &TcpStream,
        peer: SocketAddr,
        open: usize,
        peers: &mut Peers,
    ) -> Result<(Http, bool, Option<OfPeer>), Refused> {
        let http = (self.http)();
        let headroom = if self.spares_descriptors { Headroom::beside(stream) } else { Headroom::Ample };
        if headroom == Headroom::Last {
            return Err(Refused::Descriptors);
        }
        if open >= http.max_tcp_connections {
            limits::reached(limits::HTTP_CONNECTIONS);
            return Err(Refused::Connections);
        }
        let counted = peers.admit(peer.ip(), http.max_tcp_connections_per_peer).map_err(|()| {
            limits::reached(limits::HTTP_CONNECTIONS_PER_PEER);
            Refused::Peer
        })?;
        Ok((http, headroom < Headroom::Ample, counted))
    }
}

impl Refused {
    fn answer(&self) -> &'static [u8] {
        match self {
            Self::Descriptors | Self::Connections => FULL,
            Self::Peer => PEER_FULL,
        }
    }

    fn cause(&self) -> &'static str {
        match self {
            Self::Descriptors => "the last file descriptors are not for connections",
            Self::Connections => "there are http.max_tcp_connections",
            Self::Peer => "its address has http.max_tcp_connections_per_peer",
        }
    }
}
