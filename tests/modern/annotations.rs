//! Tools that ask for headers (`x-mcp-header`), at an upstream whose mind changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::Modern;
use crate::common::{Service, code, text_of};

#[derive(Default)]
struct Known {
    /// The argument is wanted in `Mcp-Param-Zone`, no longer in `Mcp-Param-Region`.
    moved: AtomicBool,
    calls: AtomicUsize,
}

/// Says where it listens, until the test's runtime ends.
async fn start(known: Arc<Known>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let known = known.clone();
            let service = service_fn(move |request| answer(known.clone(), request));
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

async fn answer(known: Arc<Known>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let wanted = if known.moved.load(SeqCst) { "Zone" } else { "Region" };
    let header = request.headers().get(format!("mcp-param-{}", wanted.to_lowercase())).cloned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let arguments = &message["params"]["arguments"];
    let mut status = 200;
    let said = match message["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({ "result": {
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
            "ttlMs": 0, "cacheScope": "private",
        } }),
        "tools/list" => {
            let tool = |name: &str, of_type: &str| {
                let property = json!({ "type": of_type, "x-mcp-header": wanted });
                let schema = json!({ "type": "object", "properties": { "region": property } });
                json!({ "name": name, "inputSchema": schema })
            };
            let tools = [tool("sql", "string"), tool("impossible", "number")];
            json!({ "result": { "resultType": "complete", "tools": tools, "ttlMs": 0, "cacheScope": "private" } })
        }
        "tools/call" if header.is_none() || header.unwrap() != arguments["region"].as_str().unwrap() => {
            known.calls.fetch_add(1, SeqCst);
            status = 400;
            json!({ "error": { "code": -32020, "message": format!("Mcp-Param-{wanted} does not fit") } })
        }
        _ => {
            known.calls.fetch_add(1, SeqCst);
            let content = [json!({ "type": "text", "text": wanted })];
            json!({ "result": { "resultType": "complete", "content": content } })
        }
    };
    let mut reply = json!({ "jsonrpc": "2.0", "id": message["id"] });
    reply.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::new(reply.to_string().into())).unwrap())
}

async fn world() -> (Service, Arc<Known>) {
    let known = Arc::<Known>::default();
    let url = start(known.clone()).await;
    (Service::start(&format!("[backends.u]\nurl = {url:?}\nprotocol = \"modern\"\n")).await, known)
}

/// A client would be told of a tool that the specification keeps from it, or lose the good ones beside.
#[tokio::test]
async fn a_tool_with_an_impossible_header_is_not_listed() {
    let (service, _) = world().await;
    let page = Modern::new(&service, "u").result("tools/list", json!({})).await;
    let names: Vec<_> = page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["sql"]);
}

/// When a server comes to want another header, every call would fail until somebody thinks of reading its list.
#[tokio::test]
async fn calls_go_on_when_a_server_wants_another_header() {
    let (service, known) = world().await;
    let client = Modern::new(&service, "u");
    let call = async |header: &'static str| {
        let params = json!({ "name": "sql", "arguments": { "region": "north" } });
        let ask = client.ask(&client.message("tools/call", params)).header(header, "north");
        let reply = ask.send(&service.main).await;
        (reply.status, reply.json().await)
    };
    let (status, answer) = call("mcp-param-region").await;
    assert_eq!((status, text_of(&answer).as_str()), (200, "Region"), "{answer}");
    known.moved.store(true, SeqCst);
    let (status, answer) = call("mcp-param-region").await;
    assert_eq!((status, text_of(&answer).as_str()), (200, "Zone"), "{answer}");
    assert_eq!(known.calls.load(SeqCst), 3, "refused once, then made");
    // From now on the client is held to it as well.
    let (status, answer) = call("mcp-param-region").await;
    assert_eq!((status, code(&answer)), (400, -32020), "{answer}");
    assert_eq!(call("mcp-param-zone").await.0, 200);
    assert_eq!(known.calls.load(SeqCst), 4);
}
