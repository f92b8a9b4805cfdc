//! A server of 2024-11-05 over HTTP with SSE: each stream is a session, and a process of the fixture.

#![allow(clippy::disallowed_types, reason = "what a server keeps, and no actor")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::common::fixture;

#[derive(Default)]
struct Sessions {
    next: u64,
    inputs: HashMap<String, ChildStdin>,
    pids: Vec<u32>,
    posts: Vec<http::HeaderMap>,
}

pub struct OldServer {
    pub url: String,
    sessions: Arc<Mutex<Sessions>>,
    accepting: JoinHandle<()>,
}

impl OldServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sse", listener.local_addr().unwrap());
        let sessions = Arc::<Mutex<Sessions>>::default();
        let shared = sessions.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sessions = shared.clone();
                let service = service_fn(move |request| answer(sessions.clone(), request));
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, sessions, accepting }
    }

    pub fn backend(&self, settings: &str) -> String {
        format!("[backends.o]\nurl = {:?}\ntransport = \"sse\"\n{settings}\n", self.url)
    }

    /// The processes of its sessions so far, oldest first.
    pub fn pids(&self) -> Vec<u32> {
        self.sessions.lock().unwrap().pids.clone()
    }

    /// The headers of every message it was sent.
    pub fn posts(&self) -> Vec<http::HeaderMap> {
        self.sessions.lock().unwrap().posts.clone()
    }
}

impl Drop for OldServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Ends with its stream.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer(sessions: Arc<Mutex<Sessions>>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    if request.method() == http::Method::GET {
        return Ok(open(&sessions));
    }
    let id = request.uri().query().unwrap_or_default().trim_start_matches("session=").to_owned();
    let headers = request.headers().clone();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut sessions = sessions.lock().unwrap();
    sessions.posts.push(headers);
    let written = sessions.inputs.get_mut(&id).map(|input| input.write_all(&[&body[..], b"\n"].concat()));
    let status = if matches!(written, Some(Ok(()))) { 202 } else { 404 };
    Ok(Response::builder().status(status).body(Full::from("Accepted").boxed_unsync()).unwrap())
}

fn open(sessions: &Mutex<Sessions>) -> Answer {
    let mut command = Command::new(fixture());
    command.arg("misbehave").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let (lines, said) = mpsc::unbounded_channel::<String>();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if lines.send(format!("event: message\ndata: {line}\n\n")).is_err() {
                return;
            }
        }
    });
    let id = {
        let mut sessions = sessions.lock().unwrap();
        sessions.next += 1;
        let id = sessions.next.to_string();
        sessions.inputs.insert(id.clone(), child.stdin.take().unwrap());
        sessions.pids.push(child.id());
        id
    };
    let first = format!("event: endpoint\ndata: /message?session={id}\n\n");
    let process = Process(child);
    let events =
        futures_util::stream::unfold((said, process, Some(first)), |(mut said, process, first)| async {
            let event = match first {
                Some(first) => first,
                None => said.recv().await?,
            };
            Some((Ok(Frame::data(Bytes::from(event))), (said, process, None)))
        });
    let body = StreamBody::new(events).boxed_unsync();
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}
