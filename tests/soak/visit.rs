//! One session from its beginning to its end, or to where its client forgets it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::common::{Client, Dice, Reply, Service, code, marked, reason, signal_marked, text_of};
use crate::tally::Tally;
use crate::world::{BACKENDS, Backend, TTL};

/// Somebody who opens one session after the other, and does with each what the dice say.
pub struct Visitor<'a> {
    service: &'a Service,
    tally: &'a Tally,
    dice: Dice,
}

/// The session has ended, though its client did not end it.
struct Ended;

impl<'a> Visitor<'a> {
    pub fn new(service: &'a Service, tally: &'a Tally, seed: u64) -> Self {
        Self { service, tally, dice: Dice::new(seed) }
    }

    /// Opens a session, and deletes it.
    pub async fn look_in(&mut self, name: &str) {
        if let Some(client) = self.open(name).await {
            client.delete().await;
        }
    }

    /// A session; whatever it was to do, at that time its client has had enough.
    pub async fn visit(&mut self, until: Instant) {
        let backend = self.dice.choose(BACKENDS).unwrap();
        if self.dice.below(12) == 0 {
            // Leaves before it has begun.
            let patience = Duration::from_millis(self.dice.below(300));
            let _ = timeout(patience, Client::try_open(self.service, backend.name)).await;
            return self.tally.count("left while it opened");
        }
        let Some(client) = self.open(backend.name).await else { return };
        let streams = self.dice.below(3) == 0 && !backend.ends_sessions();
        let stream = if streams { Some(client.stream().await) } else { None };
        for _ in 0..self.dice.below(12) {
            let used = Instant::now();
            if used > until {
                break;
            }
            if let Err(Ended) = self.do_something(&client, backend).await {
                // The time between two steps is short; within one, it is the pause.
                let may_end = backend.ends_sessions() || used.elapsed() >= TTL;
                assert!(may_end, "a session in use was lost: {}", backend.name);
                return self.tally.count("ended");
            }
        }
        drop(stream);
        match self.dice.below(3) {
            0 => self.tally.count("abandoned"),
            _ => {
                let status = client.delete().await;
                let may_end = backend.ends_sessions() && status == 404;
                assert!(status == 204 || may_end, "{}: {status}", backend.name);
                self.tally.count("deleted");
            }
        }
    }

    async fn open(&mut self, name: &str) -> Option<Client> {
        match Client::try_open(self.service, name).await {
            Ok(client) => {
                self.tally.count("opened");
                Some(client)
            }
            // It died before the handshake was over, and its session with it.
            Err((404, _))
                if BACKENDS.iter().any(|backend| backend.name == name && backend.ends_sessions()) =>
            {
                self.tally.count("ended");
                None
            }
            Err((status, answer)) => {
                let typed = (-31007..=-31001).contains(&code(&answer)) && !reason(&answer).is_empty();
                assert!([200, 503].contains(&status) && typed, "{name}: {status} {answer}");
                self.tally.count(format!("refused {} {}", code(&answer), reason(&answer)));
                None
            }
        }
    }

    async fn do_something(&mut self, client: &Client, backend: &Backend) -> Result<(), Ended> {
        let tool = if backend.is_child() { "sleep" } else { "echo" };
        match self.dice.below(24) {
            0..10 => self.call(client, "echo", json!({ "message": "hi" })).await.map(drop),
            10..13 => {
                let ms = self.dice.below(400);
                self.call(client, tool, json!({ "ms": ms, "message": "hi" })).await.map(drop)
            }
            // More than may be in flight, and wait.
            13 => self.several(client, tool).await,
            14 => {
                let (tool, bytes) =
                    (if backend.is_child() { "big" } else { "blob" }, self.dice.below(300_000));
                self.call(client, tool, json!({ "bytes": bytes })).await.map(drop)
            }
            15 if backend.is_child() => self.with_progress(client).await,
            16 if backend.is_child() => self.cancel(client).await,
            17 => self.drop_in_a_call(client, tool).await,
            18 => self.half_a_request(client).await,
            19 if backend.crashes() => {
                self.tally.count("crashed");
                self.call(client, "crash", json!({})).await.map(drop)
            }
            20 => self.harm(Signal::KILL, "killed"),
            21 if self.dice.below(3) == 0 => self.harm(Signal::STOP, "stopped"),
            22 => self.harm(Signal::CONT, "continued"),
            // Its server is closed meanwhile; now and then the session is too.
            23 => {
                sleep(Duration::from_millis(self.dice.below(4000))).await;
                self.call(client, "echo", json!({ "message": "hi" })).await.map(drop)
            }
            _ => self.request(client, "tools/list", json!({})).await.map(drop),
        }
    }

    async fn call(&self, client: &Client, tool: &str, arguments: Value) -> Result<Value, Ended> {
        let answer =
            self.request(client, "tools/call", json!({ "name": tool, "arguments": arguments })).await?;
        if tool == "echo" && code(&answer) == 0 {
            assert_eq!(text_of(&answer), "hi");
        }
        Ok(answer)
    }

    async fn request(&self, client: &Client, method: &str, params: Value) -> Result<Value, Ended> {
        let message = client.message(method, params);
        self.answer(&message, client.post(&message).await).await
    }

    /// Every request has one answer, which is a result or a typed error.
    async fn answer(&self, request: &Value, reply: Reply) -> Result<Value, Ended> {
        let status = reply.status;
        let mut messages = reply.messages().await;
        messages.retain(|message| message.get("method").is_none());
        if status == 404 {
            return Err(Ended);
        }
        assert!(status == 200 && messages.len() == 1, "{request}: {status} {messages:?}");
        let answer = messages.remove(0);
        assert_eq!(answer["id"], request["id"], "{answer}");
        match code(&answer) {
            0 => self.tally.count("answered"),
            own @ -31007..=-31001 => {
                assert!(!reason(&answer).is_empty() && reason(&answer) != "panic", "{answer}");
                self.tally.count(format!("answered {own}"));
            }
            _ => panic!("{request}: {answer}"),
        }
        Ok(answer)
    }

    async fn several(&self, client: &Client, tool: &str) -> Result<(), Ended> {
        let calls = (0..16).map(|ms| self.call(client, tool, json!({ "ms": ms, "message": "hi" })));
        crate::common::all(calls).await.into_iter().try_for_each(|one| one.map(drop))
    }

    async fn with_progress(&self, client: &Client) -> Result<(), Ended> {
        let arguments = json!({ "steps": 5, "ms": 20 });
        let params = json!({ "name": "progress", "arguments": arguments, "_meta": { "progressToken": 7 } });
        self.request(client, "tools/call", params).await.map(drop)
    }

    /// Its client takes a call back: there is nothing more to be said, or it was too late.
    async fn cancel(&mut self, client: &Client) -> Result<(), Ended> {
        let arguments = json!({ "name": "sleep", "arguments": { "ms": 1500 } });
        let call = client.message("tools/call", arguments);
        let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "requestId": call["id"] } });
        let after = Duration::from_millis(self.dice.below(100));
        let (reply, _) = tokio::join!(client.post(&call), async {
            sleep(after).await;
            client.post(&cancelled).await
        });
        self.tally.count("cancelled");
        if reply.status == 202 { Ok(()) } else { self.answer(&call, reply).await.map(drop) }
    }

    /// Its connection ends in the middle of a call.
    async fn drop_in_a_call(&mut self, client: &Client, tool: &str) -> Result<(), Ended> {
        let arguments = json!({ "ms": 2000, "message": "hi" });
        let call = client.message("tools/call", json!({ "name": tool, "arguments": arguments }));
        let patience = Duration::from_millis(self.dice.below(60));
        let _ = timeout(patience, client.post(&call)).await;
        self.tally.count("dropped in a call");
        Ok(())
    }

    /// Its connection ends in the middle of what it says.
    async fn half_a_request(&self, client: &Client) -> Result<(), Ended> {
        let mut connection = TcpStream::connect(&client.address).await.unwrap();
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nmcp-session-id: {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: 1000\r\n\r\n{{\"jsonrpc\":",
            client.path, client.address, client.session
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        self.tally.count("dropped in a request");
        Ok(())
    }

    /// Some process of the service's, a grandchild perhaps, and anybody's.
    fn harm(&mut self, signal: Signal, how: &str) -> Result<(), Ended> {
        let processes = marked(&self.service.instance);
        let Some(process) = self.dice.choose(&processes) else { return Ok(()) };
        if signal_marked(*process, &self.service.instance, signal) {
            self.tally.count(how);
        }
        Ok(())
    }
}
