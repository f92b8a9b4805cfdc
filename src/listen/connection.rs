//! One connection: after a TLS handshake, if there is to be one, hyper while there is something to do, a socket and nothing else while there is not.
//!
//! hyper keeps two buffers of 8 KiB and the state of a request as long as it has the connection, also for clients that keep theirs open
//! and say nothing, as all do. So it is taken from hyper after [`REST`], and given to it again with the next byte.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use mcpvisor_config::Http;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::patient::{Patience, Patient};
use super::socket::{Socket, shake_hands};
use super::stage::{About, Stage, staged};
use crate::telemetry::limits;

/// How long a connection may take over a head, or stay without one, where descriptors are scarce: then nobody keeps a
/// connection that he does not use.
const SCARCE: Duration = Duration::from_secs(5);
/// Headers that are parsed without an allocation.
const USUAL_HEADERS: usize = 100;
/// Without a request for so long, a connection is taken from hyper. To give it back takes a few microseconds.
const REST: Duration = Duration::from_secs(1);

/// What becomes of a connection that hyper has.
enum Next {
    Ended(hyper::Result<()>),
    Stop,
    Rest,
}

/// Serves it to its end, or until `stop`: then what is in flight is finished. `scarce`: descriptors are.
pub(super) async fn serve<S, B>(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    service: S,
    http: Http,
    scarce: bool,
    stop: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Without it, Nagle and delayed acknowledgements cost 40 ms per streamed answer.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let Some(tls) = tls else { return serve_on(stream, service, http, scarce, stop).await };
    let patience = if scarce { http.header_timeout.min(SCARCE) } else { http.header_timeout };
    // Boxed: a connection without TLS is no larger for it.
    let over_tls = async move {
        if let Some(stream) = shake_hands(stream, tls, patience, &stop).await {
            serve_on(stream, service, http, scarce, stop).await;
        }
    };
    Box::pin(over_tls).await;
}

async fn serve_on<T, S, B>(stream: T, service: S, http: Http, scarce: bool, stop: CancellationToken)
where
    T: Socket + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let at_most = |wait: Duration| if scarce { wait.min(SCARCE) } else { wait };
    let patience =
        Patience { head: at_most(http.header_timeout), idle: at_most(http.keep_alive), rest: REST };
    let stage = Arc::<Stage>::default();
    let builder = builder(&http, scarce);
    let mut io = Patient::new(TokioIo::new(stream), stage.clone(), patience);
    let mut service = staged(stage.clone(), service);
    loop {
        let mut connection = builder.serve_connection(io, service);
        let rests = poll_fn(|_| if stage.about() == About::Rest { Poll::Ready(()) } else { Poll::Pending });
        let next = tokio::select! {
            biased; // whether it rests turns out while the connection is looked at
            ended = &mut connection => Next::Ended(ended),
            () = stop.cancelled() => Next::Stop,
            () = rests => Next::Rest,
        };
        let ended = match next {
            Next::Ended(ended) => ended,
            Next::Stop => {
                Pin::new(&mut connection).graceful_shutdown();
                connection.await
            }
            Next::Rest => {
                let Parts { io: rested, read_buf, service: same, .. } = connection.into_parts();
                (io, service) = (rested, same);
                if read_buf.is_empty() && !comes(&io, patience.idle, &stop).await {
                    return;
                }
                io.resume(read_buf);
                continue;
            }
        };
        return ended.unwrap_or_else(|error| note(&error));
    }
}

fn builder(http: &Http, scarce: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Both timeouts are ours: hyper's own begins when the connection falls idle.
    builder.keep_alive(!scarce).header_read_timeout(None);
    builder.max_header_size(http.max_header_bytes);
    if http.max_headers != USUAL_HEADERS {
        builder.max_headers(http.max_headers);
    }
    builder
}

/// Waits until something comes on a connection at rest: true, or nothing is to be waited for any more.
async fn comes<T: Socket>(io: &Patient<TokioIo<T>>, idle: Duration, stop: &CancellationToken) -> bool {
    let (stream, since) = io.at_rest();
    tokio::select! {
        readable = stream.inner().socket().readable() => readable.is_ok(),
        () = stop.cancelled() => false,
        () = sleep_until(since.unwrap_or_else(Instant::now) + idle) => false,
    }
}

fn note(error: &hyper::Error) {
    if error.is_parse_too_large() {
        limits::reached(limits::HEADERS);
    }
    tracing::debug!(event = "front.connection_ended", %error); // a client that went away, mostly
}
