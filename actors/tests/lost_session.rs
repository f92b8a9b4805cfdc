//! An upstream that answers 404: that can mean a lost session, and can mean anything.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use common::*;
use mcpvisor_actors::message::{self, Envelope};
use mcpvisor_actors::{Exchange, FaultReason, Phase, Refusal, SessionEvent, SessionRecord, SessionSink};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A status, and a result for 200. [`SILENCE`]: no answer at all.
type Reply = (u16, Value);

const SILENCE: Reply = (0, Value::Null);

/// Answers `initialize`, gives out a session, and leaves the rest to `reply`.
struct Upstream {
    url: String,
    initialized: Arc<AtomicUsize>,
    /// Connections that wait for an answer.
    waiting: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start(reply: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (initialized, waiting) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, silent, reply) = (initialized.clone(), waiting.clone(), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (count, silent, reply) = (count.clone(), silent.clone(), reply.clone());
                tokio::spawn(async move { serve(stream, &count, &silent, &*reply).await });
            }
        });
        Self { url, initialized, waiting }
    }

    fn config(&self, settings: &str) -> String {
        format!("[backends.b]\nurl = \"{}\"\n{settings}\n", self.url)
    }

    fn initialized(&self) -> usize {
        self.initialized.load(Relaxed)
    }
}

async fn serve(
    stream: TcpStream,
    initialized: &AtomicUsize,
    waiting: &AtomicUsize,
    reply: &(dyn Fn(&str, &Value) -> Reply + Sync),
) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let method = message["method"].as_str().unwrap_or_default();
        let (status, result) = match (head.split(' ').next().unwrap(), method) {
            ("POST", "initialize") => {
                initialized.fetch_add(1, Relaxed);
                let capabilities = json!({ "logging": {}, "tools": { "listChanged": true } });
                (200, json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities }))
            }
            ("POST", "notifications/initialized") => (202, Value::Null),
            ("POST", method) => reply(method, &message),
            (verb, _) => reply(verb, &Value::Null),
        };
        if status == SILENCE.0 {
            waiting.fetch_add(1, Relaxed);
            let _ = stream.read_to_end(&mut Vec::new()).await;
            waiting.fetch_sub(1, Relaxed);
            return;
        }
        let body = match &result {
            Value::Null => String::new(),
            result => json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string(),
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nMcp-Session-Id: s\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The upstream would be initialised again and again, as fast as it answers, until the request times out.
#[tokio::test]
async fn a_request_that_is_refused_by_the_new_session_too_is_answered() {
    let upstream =
        Upstream::start(|what, _| if what == "GET" { (405, Value::Null) } else { (404, Value::Null) }).await;
    let launcher = launcher(&upstream.config("")).await;
    let connection = launcher.get_or_launch("b").await.unwrap();
    let params = json!({});
    let request = connection.request("tools/list", &params);
    let answer = tokio::time::timeout(Duration::from_secs(10), request).await;
    assert!(upstream.initialized() <= 3, "initialised {} times", upstream.initialized());
    let Ok(Err(Refusal::BackendLost { fault, .. })) = answer else { panic!("{answer:?}") };
    assert_eq!(fault.reason, FaultReason::HttpStatus);
    launcher.close().await;
}

/// The same, without anybody having asked for anything.
#[tokio::test]
async fn an_upstream_without_a_stream_may_say_404() {
    let upstream = Upstream::start(|what, _| match what {
        "tools/list" => (200, json!({ "tools": [] })),
        _ => (404, Value::Null),
    })
    .await;
    let launcher = launcher(&upstream.config("")).await;
    let connection = launcher.get_or_launch("b").await.unwrap();
    for _ in 0..20 {
        connection.request("tools/list", &json!({})).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(upstream.initialized() <= 3, "initialised {} times", upstream.initialized());
    launcher.close().await;
}

/// A replay that cannot set the log level again would end a session that can do without.
#[tokio::test]
async fn what_a_replay_cannot_restore_is_no_fault() {
    let calls = AtomicUsize::new(0);
    let upstream = Upstream::start(move |what, _| match what {
        "logging/setLevel" if calls.load(Relaxed) == 0 => (200, json!({})),
        "logging/setLevel" => (500, Value::Null),
        // The first one finds its session lost.
        "tools/list" if calls.fetch_add(1, Relaxed) == 0 => (404, Value::Null),
        "tools/list" => (200, json!({ "tools": [] })),
        _ => (405, Value::Null),
    })
    .await;
    let launcher = launcher(&upstream.config("")).await;
    let connection = launcher.get_or_launch("b").await.unwrap();
    connection.request("logging/setLevel", &json!({ "level": "debug" })).await.unwrap();
    connection.request("tools/list", &json!({})).await.unwrap();
    let now = only(&launcher).await;
    assert_eq!((now.total_errors, now.phase, upstream.initialized()), (0, Phase::Ready, 2));
    launcher.close().await;
}

/// Whoever only reads must not notice that the session was lost under somebody else's call.
#[tokio::test]
async fn a_safe_request_in_flight_is_sent_once_more_in_the_new_session() {
    let (lists, prompts) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let upstream = Upstream::start(move |what, _| match what {
        "tools/list" if lists.fetch_add(1, Relaxed) == 0 => SILENCE,
        "tools/list" => (200, json!({ "tools": [] })),
        // This one finds the session lost.
        "prompts/list" if prompts.fetch_add(1, Relaxed) == 0 => (404, Value::Null),
        "prompts/list" => (200, json!({ "prompts": [] })),
        _ => (405, Value::Null),
    })
    .await;
    let launcher = launcher(&upstream.config("")).await;
    let connection = launcher.get_or_launch("b").await.unwrap();
    let listing = tokio::spawn({
        let connection = connection.clone();
        async move { connection.request("tools/list", &json!({})).await }
    });
    eventually("the list is asked for", async || upstream.waiting.load(Relaxed) == 1).await;
    connection.request("prompts/list", &json!({})).await.unwrap();
    assert!(String::from_utf8_lossy(&listing.await.unwrap().unwrap()).contains("tools"));
    launcher.close().await;
}

/// Every cancelled call would keep a connection to its upstream open for as long as that says nothing.
#[tokio::test]
async fn a_cancelled_request_does_not_stay_open_at_the_upstream() {
    let upstream = Upstream::start(|what, _| match what {
        "tools/call" => SILENCE,
        "notifications/cancelled" => (202, Value::Null),
        _ => (405, Value::Null),
    })
    .await;
    let launcher = launcher(&upstream.config("")).await;
    let record = SessionRecord::new("p", message::request(0, "initialize", &json!({})));
    let route = launcher.route("b", "s", record, Box::new(Deaf)).unwrap();
    route.attach().await.unwrap();
    let say = |message| Envelope::parse(message).unwrap();
    let exchange = route.request(say(message::request(7, "tools/call", &json!({ "name": "x" }))));
    eventually("the call is out", async || upstream.waiting.load(Relaxed) == 1).await;
    route.notify(say(message::notification("notifications/cancelled", Some(json!({ "requestId": 7 })))));
    let Exchange::Answer(Err(Refusal::Cancelled)) = exchange.await.unwrap() else { panic!("not cancelled") };
    eventually("the call is given up", async || upstream.waiting.load(Relaxed) == 0).await;
    launcher.close().await;
}

/// A client would take an answer from an empty memory for one of the server that it knew.
#[tokio::test]
async fn a_client_is_told_of_the_new_session_before_it_is_answered_from_it() {
    let calls = AtomicUsize::new(0);
    let upstream = Upstream::start(move |what, _| match what {
        "tools/call" if calls.fetch_add(1, Relaxed) == 0 => (404, Value::Null),
        "tools/call" => (200, json!({ "content": [] })),
        _ => (405, Value::Null),
    })
    .await;
    let launcher = launcher(&upstream.config("")).await;
    let record = SessionRecord::new("p", message::request(0, "initialize", &json!({})));
    let (said, heard) = std::sync::mpsc::channel();
    let route = launcher.route("b", "s", record, Box::new(Listener(said))).unwrap();
    route.attach().await.unwrap();
    route.notify(Envelope::parse(message::notification("notifications/initialized", None)).unwrap());
    let call = message::request(7, "tools/call", &json!({ "name": "x" }));
    let Exchange::Answer(Ok(_)) = route.request(Envelope::parse(call).unwrap()).await.unwrap() else {
        panic!("not answered")
    };
    let messages: Vec<Value> =
        heard.try_iter().map(|message| serde_json::from_slice(&message).unwrap()).collect();
    let methods: Vec<_> = messages.iter().map(|message| message["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["notifications/message", "notifications/tools/list_changed"]);
    let text =
        "backend 'b' no longer knew the session, and was given a new one; what it kept in memory is lost";
    assert_eq!(messages[0]["params"]["data"], text);
    launcher.close().await;
}

/// The session of a client that wants none without a memory would be given an empty one.
#[tokio::test]
async fn a_session_that_ends_with_its_upstreams_session_gets_no_new_one() {
    let upstream = Upstream::start(|what, message| match what {
        "tools/call" if message["params"]["name"] == "slow" => SILENCE,
        "tools/call" => (404, Value::Null),
        _ => (405, Value::Null),
    })
    .await;
    let launcher = launcher(&upstream.config("on_restart = \"end_session\"")).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    let slow = tokio::spawn({
        let connection = connection.clone();
        async move { connection.request("tools/call", &json!({ "name": "slow" })).await }
    });
    eventually("a call is in flight", async || upstream.waiting.load(Relaxed) == 1).await;
    for answer in [connection.request("tools/call", &json!({ "name": "x" })).await, slow.await.unwrap()] {
        let refusal = answer.unwrap_err();
        assert_eq!((refusal.kind(), refusal.reason()), ("session_ended", "end_session"));
    }
    eventually("forgotten", async || launcher.list().await.is_empty()).await;
    assert_eq!(upstream.initialized(), 1);
    launcher.close().await;
}

/// Keeps what the backend says of its own accord.
struct Listener(std::sync::mpsc::Sender<bytes::Bytes>);

impl SessionSink for Listener {
    fn deliver(&self, event: SessionEvent) {
        let SessionEvent::Message(message) = event else { panic!("{event:?}") };
        self.0.send(message).unwrap();
    }
}

struct Deaf;

impl SessionSink for Deaf {
    fn deliver(&self, _: SessionEvent) {}
}
