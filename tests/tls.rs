//! TLS of both listeners.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "tls/authority.rs"]
mod authority;
#[path = "common/all.rs"]
mod common;
#[path = "tls/handshakes.rs"]
mod handshakes;
#[path = "tls/operators.rs"]
mod operators;

use std::path::Path;

use authority::{Authority, Pair};
use common::{Client, Service, backend};
use reqwest::{Certificate, Identity};
use serde_json::{Value, json};
use tempfile::TempDir;

/// `[gateway.tls]`, or another table, with files in this folder.
fn table(name: &str, folder: &Path, client_ca: bool) -> String {
    let file = |what: &str| folder.join(format!("{what}.pem")).display().to_string();
    let client_ca = if client_ca { format!("client_ca = {:?}\n", file("client_ca")) } else { String::new() };
    format!("[gateway.{name}]\ncert = {:?}\nkey = {:?}\n{client_ca}", file("cert"), file("key"))
}

/// Where the files of a listener are to be.
fn write(folder: &Path, pair: &Pair) {
    std::fs::write(folder.join("cert.pem"), &pair.cert).unwrap();
    std::fs::write(folder.join("key.pem"), &pair.key).unwrap();
}

/// A client that trusts this authority only. Each request has a connection of its own.
fn client(authority: &Authority, own: Option<&Pair>) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let mut client =
        reqwest::Client::builder().tls_certs_only([trusted]).no_proxy().pool_max_idle_per_host(0);
    if let Some(own) = own {
        client = client.identity(Identity::from_pem(format!("{}{}", own.cert, own.key).as_bytes()).unwrap());
    }
    client.build().unwrap()
}

/// A session, and the text that a tool of it says.
async fn calls(client: &reqwest::Client, service: &Service) -> Result<(), reqwest::Error> {
    let url = format!("https://{}/mcp/a", service.main.replace("127.0.0.1", "localhost"));
    let post = |body: Value| {
        let request = client.post(&url).header("content-type", "application/json");
        request.header("accept", "application/json, text/event-stream").body(body.to_string())
    };
    let opened =
        post(serde_json::from_str(&Client::initialize("2025-11-25", json!({})).to_string()).unwrap());
    let opened = opened.send().await?;
    assert_eq!(opened.version(), reqwest::Version::HTTP_11);
    let session = opened.headers()["mcp-session-id"].clone();
    let params = json!({ "name": "echo", "arguments": { "message": "over TLS" } });
    let call = post(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }));
    let answer = call.header("mcp-session-id", session).send().await?.text().await?;
    assert!(answer.contains("over TLS"), "{answer}");
    Ok(())
}

/// A service whose main listener speaks TLS.
async fn service(folder: &TempDir, client_ca: bool, settings: &str) -> Service {
    let config = format!("{}{settings}{}", table("tls", folder.path(), client_ca), backend("a", &[], ""));
    Service::start_unasked(&config).await
}
