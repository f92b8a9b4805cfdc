//! Connections: accepted, served, let go.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mcpvisor_actors::Headroom;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Front;

/// How long a connection may take over a request's head, and how long it may stay without one: longer
/// than common clients keep an idle connection, so that they are the ones to close it.
const HEAD: Duration = Duration::from_secs(100);
/// The same where descriptors are scarce: then nobody keeps a connection that he does not use.
const SCARCE_HEAD: Duration = Duration::from_secs(5);
/// Out of file descriptors, most likely: time for some to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Between two complaints of connections that were not accepted.
const QUIET: Duration = Duration::from_secs(10);
/// What a connection is told that would have taken the last descriptors.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Says that connections were not accepted, now and then: it happens many times a second, or not at all.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    since: u64,
}

/// Serves until `stop`; then what is in flight is finished and idle connections are closed.
pub(super) async fn serve(front: Arc<Front>, listener: TcpListener, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let mut complaints = Complaints::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match Headroom::beside(&stream) {
                Headroom::Last => {
                    // It may not even have asked yet, but it need not wait for nothing.
                    let _ = stream.try_write(FULL);
                    complaints.add("the last file descriptors are not for connections", Instant::now());
                }
                headroom => {
                    let connection = serve_connection(front.clone(), stream, peer, headroom, stop.clone());
                    connections.spawn(connection);
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

impl Complaints {
    fn add(&mut self, error: impl Display, now: Instant) {
        self.since += 1;
        if self.last.is_none_or(|last| now.duration_since(last) >= QUIET) {
            let connections = std::mem::take(&mut self.since);
            self.last = Some(now);
            tracing::warn!(event = "front.accept_failed", connections, %error, "not accepted");
        }
    }
}

async fn serve_connection(
    front: Arc<Front>,
    stream: TcpStream,
    peer: SocketAddr,
    headroom: Headroom,
    stop: CancellationToken,
) {
    // Without it, Nagle and delayed acknowledgements cost 40 ms per streamed answer.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { Ok::<_, Infallible>(front.respond(request, peer).await) }
    });
    let mut builder = http1::Builder::new();
    let scarce = headroom < Headroom::Ample;
    builder.keep_alive(!scarce).timer(TokioTimer::new());
    builder.header_read_timeout(if scarce { SCARCE_HEAD } else { HEAD });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(event = "front.connection_ended", %error); // a client that went away, mostly
    }
}
