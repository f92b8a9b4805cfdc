//! Connections: accepted, served, let go.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Front;

/// How long a connection may take over a request's head, and how long it may stay without one: longer
/// than common clients keep an idle connection, so that they are the ones to close it.
const HEAD: Duration = Duration::from_secs(100);
/// Out of file descriptors, most likely: time for some to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`; then what is in flight is finished and idle connections are closed.
pub(super) async fn serve(front: Arc<Front>, listener: TcpListener, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(serve_connection(front.clone(), stream, peer, stop.clone()));
            }
            Err(error) => {
                tracing::warn!(event = "front.accept_failed", %error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve_connection(front: Arc<Front>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
    // Without it, Nagle and delayed acknowledgements cost 40 ms per streamed answer.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { Ok::<_, Infallible>(front.respond(request, peer).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
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
