//! A server over HTTP, supervised like a child.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use common::*;
use mcpvisor_actors::{FaultReason, Phase, Refusal};
use serde_json::json;

/// rmcp's own server, with sessions; ended when dropped.
struct Upstream {
    child: Child,
    url: String,
}

impl Upstream {
    fn start(address: &str) -> Self {
        let mut child =
            Command::new(fixture()).args(["rmcp-http", address]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { child, url }
    }

    fn address(&self) -> String {
        self.url.trim_start_matches("http://").split('/').next().unwrap().to_owned()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn http(url: &str, settings: &str) -> String {
    format!("[backends.b]\nurl = \"{url}\"\n{settings}\n")
}

/// A user's upstream is called through a session of its own, which is ended at the end.
#[tokio::test]
async fn an_upstream_is_called_through_its_session() {
    let upstream = Upstream::start("127.0.0.1:0");
    let launcher = launcher(&http(&upstream.url, "")).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    assert!(call(&connection, "echo", json!({"message": "over http"})).await.unwrap().contains("over http"));
    assert_eq!(only(&launcher).await.pid, None);
    launcher.close().await;
}

/// A restarted upstream has forgotten its sessions (404): the client must not notice.
#[tokio::test]
async fn an_upstream_that_lost_its_session_gets_a_new_one_unnoticed() {
    let upstream = Upstream::start("127.0.0.1:0");
    let (url, address) = (upstream.url.clone(), upstream.address());
    let launcher = launcher(&http(&url, "backoff = { min = \"20ms\", max = \"100ms\" }")).await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    call(&connection, "echo", json!({"message": "before"})).await.unwrap();
    drop(upstream);
    let _upstream = Upstream::start(&address);
    // Safe to send twice: it may meet the last breath of the old server's connection.
    let tools = connection.request("tools/list", &json!({})).await.unwrap();
    assert!(String::from_utf8_lossy(&tools).contains("echo"));
    let text = call(&connection, "echo", json!({"message": "after"})).await.unwrap();
    assert!(text.contains("after"), "{text}");
    launcher.close().await;
}

/// Nobody listens: the launch says so, at once.
#[tokio::test]
async fn a_refused_upstream_is_a_failed_launch_with_its_cause() {
    let launcher = launcher(&http("http://127.0.0.1:9/mcp", "")).await;
    let refusal = launcher.get_or_launch("b").await.unwrap_err();
    let Refusal::LaunchFailed { fault, .. } = &refusal else { panic!("{refusal:?}") };
    assert_eq!(fault.reason, FaultReason::HttpConnect, "{refusal}");
    launcher.close().await;
}

/// An upstream that goes away is relaunched with backoff until it is back; a waiting request is served.
#[tokio::test]
async fn a_request_waits_for_an_upstream_that_comes_back() {
    let upstream = Upstream::start("127.0.0.1:0");
    let address = upstream.address();
    let launcher = launcher(&http(
        &upstream.url,
        "backoff = { min = \"20ms\", max = \"100ms\" }\npool.max_error_count = 1000",
    ))
    .await;
    let connection = launcher.get_or_launch_for_session("b", "s").await.unwrap();
    drop(upstream);
    let waiting = tokio::spawn({
        let connection = connection.clone();
        async move { call(&connection, "echo", json!({"message": "patience"})).await }
    });
    eventually("the loss is noticed", async || only(&launcher).await.phase != Phase::Ready).await;
    let _upstream = Upstream::start(&address);
    let text = waiting.await.unwrap().unwrap();
    assert!(text.contains("patience"), "{text}");
    launcher.close().await;
}
