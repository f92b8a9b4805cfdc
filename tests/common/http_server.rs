//! A server on HTTP in the test's own process.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Nobody gets in any more once it is dropped.
pub struct HttpServer {
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Answers each request by `answer`, on a connection of its own.
    pub async fn start<F>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                let service = service_fn(move |request| {
                    let answered = answer(request);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.keep_alive(false).serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, accepting }
    }

    /// Nobody gets in any more; who is in, stays.
    pub fn close_the_door(&self) {
        self.accepting.abort();
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.close_the_door();
    }
}
