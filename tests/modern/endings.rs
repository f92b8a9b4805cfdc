//! An upstream of the modern era that ends subscriptions as no server should.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::Modern;
use crate::common::{Service, eventually};

/// How each subscription ends, at once.
#[derive(Clone, Copy)]
enum End {
    /// The stream is closed.
    Cut,
    /// The server takes it back.
    Cancelled,
}

struct Upstream {
    url: String,
    listens: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    async fn start(end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let listens = Arc::<AtomicUsize>::default();
        let counted = listens.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counted = counted.clone();
                let service = service_fn(move |request| answer(end, counted.clone(), request));
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, listens, accepting }
    }

    fn backend(&self) -> String {
        format!("[backends.u]\nurl = {:?}\nprotocol = \"modern\"\npool.max_error_count = 100000\n", self.url)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(
    end: End,
    listens: Arc<AtomicUsize>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let id = &message["id"];
    if message["method"] != "subscriptions/listen" {
        let result =
            json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {} });
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        return Ok(reply("application/json", answer.to_string()));
    }
    listens.fetch_add(1, SeqCst);
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
    let first = json!({
        "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
        "params": { "notifications": { "toolsListChanged": true }, "_meta": meta },
    });
    let mut events = format!("data: {first}\n\n");
    if let End::Cancelled = end {
        let last =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
        events += &format!("data: {last}\n\n");
    }
    Ok(reply("text/event-stream", events))
}

fn reply(kind: &str, body: String) -> Response<Full<Bytes>> {
    Response::builder().header("content-type", kind).body(Full::new(body.into())).unwrap()
}

/// One client that listens would have mcpvisor ask a server that cannot do it as fast as the machine allows.
#[tokio::test]
async fn a_server_that_ends_each_subscription_is_asked_again_with_ever_longer_pauses() {
    let upstream = Upstream::start(End::Cut).await;
    let service = Service::start(&upstream.backend()).await;
    let client = Modern::new(&service, "u");
    let (_, _stream) = client.listen(json!({ "toolsListChanged": true })).await;
    eventually("it is asked again", async || (upstream.listens.load(SeqCst) >= 3).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let listens = upstream.listens.load(SeqCst);
    assert!(listens <= 6, "asked {listens} times");
}

/// A client would take the end for a fault of its server, or wait on a stream that says nothing any more.
#[tokio::test]
async fn a_subscription_that_its_server_takes_back_ends_in_good_order() {
    let upstream = Upstream::start(End::Cancelled).await;
    let service = Service::start(&upstream.backend()).await;
    let client = Modern::new(&service, "u");
    let (id, mut stream) = client.listen(json!({ "toolsListChanged": true })).await;
    let first = stream.message().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    let last = stream.message().await.unwrap();
    let result =
        json!({ "resultType": "complete", "_meta": { "io.modelcontextprotocol/subscriptionId": id } });
    assert_eq!(last, json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    assert!(stream.message().await.is_none(), "the stream ends with it");
    assert_eq!(upstream.listens.load(SeqCst), 1);
}
