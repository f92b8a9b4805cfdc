use rustix::process::Signal;
use serde_json::json;

use super::common::{Client, Service, backend, code, eventually, reason, text_of};
use super::launched::Launched;

/// `printf … | mcpvisor connect` would lose its answers.
#[tokio::test]
async fn answers_still_come_after_the_last_line() {
    let service = Service::start(&backend("b", &[], "")).await;
    let mut client = Launched::opened(&service, "b", json!({})).await;
    client.call(1, "sleep", json!({ "ms": 300 })).await;
    client.close_stdin();
    assert_eq!(text_of(&client.answer(1).await), "slept 300 ms");
    assert_eq!(client.next_line().await, None);
    assert!(client.ended().await.success());
}

/// A client that ends its servers by signal would have to kill them, and the session would stay.
#[tokio::test]
async fn sigterm_ends_the_session_at_once_and_in_order() {
    let service = Service::start(&backend("b", &["--no-answer"], "")).await;
    let mut client = Launched::opened(&service, "b", json!({})).await;
    client.call(1, "silent", json!({})).await;
    service.in_flight(1).await;
    client.signal(Signal::TERM);
    assert_eq!(client.ended().await.code(), Some(0));
    let gone = async || (service.metric("mcpvisor_sessions{backend=\"b\"}").await == 0.0).then_some(());
    eventually("the session is ended", gone).await;
}

/// A user would see a server that says nothing, and not why.
#[tokio::test]
async fn without_a_service_the_client_is_told_and_the_command_fails() {
    let folder = tempfile::TempDir::new().unwrap();
    let nowhere = folder.path().to_str().unwrap().to_owned();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/mcp/b");
    for arguments in [&["b", "--state-dir", &nowhere][..], &["--url", &url]] {
        let mut client = Launched::with(arguments, &[]);
        client.say(&Client::initialize("2025-11-25", json!({}))).await;
        let told = client.answer(0).await;
        assert_eq!((code(&told), reason(&told)), (-31002, "unreachable"), "{told}");
        assert_eq!(client.ended().await.code(), Some(1));
        let said = client.complaints().await;
        assert!(said.contains("mcpvisor: "), "{said}");
    }
    let mut client = Launched::with(&["a b"], &[]);
    client.close_stdin();
    assert_eq!(client.ended().await.code(), Some(64));
}

/// The service names the backend that was meant; its words must reach the user.
#[tokio::test]
async fn a_backend_that_is_not_there_is_refused_in_the_services_words() {
    let service = Service::start(&backend("memory", &[], "")).await;
    let mut client = Launched::to(&service, "memroy");
    client.say(&Client::initialize("2025-11-25", json!({}))).await;
    let told = client.answer(0).await;
    assert!(told["error"]["message"].as_str().unwrap().contains("memory"), "{told}");
}
