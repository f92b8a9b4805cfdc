//! `[backends.NAME.oauth]`

use crate::common::{Ask, Service, code, eventually};
use crate::server::Server;
use crate::{User, initialize};

fn oauth(server: &Server) -> String {
    let secret = "client_secret = \"${SECRET}\"";
    format!(
        "[backends.a.oauth]\ntoken_url = \"{}/token\"\nclient_id = \"me\"\n{secret}\nscope = \"read\"",
        server.url
    )
}

async fn service(server: &Server) -> Service {
    let folder = tempfile::TempDir::new().unwrap();
    let config = server.backend("a", &oauth(server));
    Service::start_with(folder, &config, &[], &[("SECRET", "s3cret")]).await
}

/// Each session would need a token, and one that is taken back stop the backend.
#[tokio::test]
async fn sessions_share_a_token_and_get_another_when_it_is_refused() {
    let server = Server::start().await;
    let service = service(&server).await;
    let users = [User::open(&service, "/mcp/a", "Bearer u").await, User::open(&service, "/mcp/a", "").await];
    for user in &users {
        assert_eq!(user.call("Bearer u").await.status, 200);
    }
    assert_eq!(server.tokens(), 1);
    let asked = server.seen().into_iter().find(|seen| seen.what == "token").unwrap().whole;
    assert!(asked.contains("grant_type=client_credentials&scope=read&resource=http"), "{asked}");
    server.takes_only("Bearer token-2");
    for user in &users {
        assert_eq!(user.call("").await.status, 200);
    }
    assert_eq!(server.tokens(), 2);
    let shown = server.seen().into_iter().filter(|seen| seen.what != "token");
    assert!(
        shown.clone().all(|seen| seen.authorization.is_some_and(|shown| shown.starts_with("Bearer token-")))
    );
    let faults =
        service.connections().await.iter().map(|one| one["total_errors"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(faults, 0);
}

/// Nobody would know why a server is not there; or everybody would know its secret.
#[tokio::test]
async fn why_there_is_no_token_is_told_and_the_secret_is_not() {
    let server = Server::start().await;
    server.denies_tokens(401, r#"{"error":"invalid_client","error_description":"s3cret is wrong"}"#);
    let service = service(&server).await;
    let refused = initialize(&service, "/mcp/a", "").await.json().await;
    assert_eq!(code(&refused), -31006, "{refused}");
    assert!(refused.to_string().contains("HTTP status 401 (invalid_client)"), "{refused}");
    let told = async || service.log().contains("oauth.failed").then_some(());
    eventually("the log says so", told).await;
    let backends = Ask::new("GET", "/api/v1/backends").send(&service.admin).await.text().await;
    for text in [refused.to_string(), backends, service.log(), service.metrics().await] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
