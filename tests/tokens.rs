//! Access tokens of an issuer: the resource server of OAuth 2.1, as MCP's authorization specifies it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;
#[path = "tokens/issuer.rs"]
mod issuer;
#[path = "tokens/keys.rs"]
mod keys;
#[allow(dead_code, reason = "no test uses all of it")]
#[path = "modern/client.rs"]
mod modern;
#[path = "tokens/sessions.rs"]
mod sessions;

use common::{Ask, Client, Reply, Service, backend};
use issuer::{ISSUER, Issuer, PUBLIC, Signer, claims, encoded, now};
use modern::Modern;
use ring::hmac;
use serde_json::json;
use sha2::{Digest, Sha256};

fn two() -> String {
    backend("a", &[], "") + &backend("b", &[], "scopes = [\"b:use\"]\n")
}

/// The reply to an `initialize` with that token.
async fn greet(service: &Service, path: &str, token: &str) -> Reply {
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let bearer = if token.is_empty() { String::new() } else { format!("Bearer {token}") };
    Ask::mcp(path, initialize).header("authorization", &bearer).send(&service.main).await
}

async fn failures(service: &Service, reason: &str) -> f64 {
    service.metric(&format!("mcpvisor_auth_failures_total{{reason=\"{reason}\"}}")).await
}

/// A client that only knows the URL would not find out where to get a token, nor for what.
#[tokio::test]
async fn a_client_finds_its_way_from_the_url_to_a_session() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    let service = Service::start(&(issuer.config("scopes = [\"mcp\"]") + &two())).await;
    let refused = greet(&service, "/mcp/b", "").await;
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap().to_owned();
    let well_known = "/.well-known/oauth-protected-resource";
    assert_eq!(
        challenge,
        format!("Bearer resource_metadata=\"{PUBLIC}{well_known}/mcp/b\", scope=\"mcp b:use\"")
    );
    for (path, resource, scopes) in [
        ("/mcp/b", "/mcp/b", json!(["mcp", "b:use"])),
        ("/mcp/a", "/mcp/a", json!(["mcp"])),
        ("/mcp", "/mcp", json!(["mcp", "b:use"])),
        ("/sse/a", "/sse/a", json!(["mcp"])),
        ("", "", json!(["mcp"])),
        ("/", "", json!(["mcp"])),
    ] {
        let found = service.get(&format!("{well_known}{path}")).await;
        assert_eq!(found.status, 200, "{path}");
        let document = found.json().await;
        assert_eq!(document["resource"], format!("{PUBLIC}{resource}"));
        assert_eq!(document["authorization_servers"], json!([ISSUER]));
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
        assert_eq!(document["scopes_supported"], scopes, "{path}");
    }
    assert_eq!(service.get(&format!("{well_known}/health")).await.status, 404);
    let token = signer.token("alice", json!({ "aud": format!("{PUBLIC}/mcp/b"), "scope": "mcp b:use" }));
    let client = Client::open_with(&service, "b", &token, json!({})).await;
    assert_eq!(client.text("echo", json!({ "message": "x" })).await, "x");
    assert_eq!(Modern::new(&service, "b").by(&token).text("echo", json!({ "message": "x" })).await, "x");
    // Probes need none, and without an issuer there is nothing to say.
    assert_eq!(service.get("/readyz").await.status, 200);
    let without = Service::start(&two()).await;
    assert_eq!(without.get(well_known).await.status, 404);
}

/// Anybody could make tokens, or use those that were made for something else.
#[tokio::test]
async fn a_token_that_is_not_for_this_is_401_and_says_so() {
    let (signer, thief) = (Signer::new("1"), Signer::new("1"));
    let issuer = Issuer::start(&[&signer]).await;
    let service = Service::start(&(issuer.config("") + &two())).await;
    assert_eq!(greet(&service, "/mcp/a", &signer.token("alice", json!({}))).await.status, 200);
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "kid": "1" }).to_string();
        format!("{}.{}", encoded(header), encoded(claims("alice", json!({})).to_string()))
    };
    let by_public_key = {
        let (x, y) = signer.point();
        let key = hmac::Key::new(hmac::HMAC_SHA256, format!("{x}{y}").as_bytes());
        let signed = unsigned("HS256");
        format!("{signed}.{}", encoded(hmac::sign(&key, signed.as_bytes())))
    };
    let good = signer.token("alice", json!({}));
    for (what, token, reason) in [
        ("nothing", String::new(), "missing"),
        ("expired", signer.token("alice", json!({ "exp": now() - 60 })), "expired"),
        ("another audience", signer.token("alice", json!({ "aud": "https://other.example" })), "audience"),
        ("another issuer", signer.token("alice", json!({ "iss": "https://evil.example" })), "invalid"),
        ("not yet", signer.token("alice", json!({ "nbf": now() + 600 })), "invalid"),
        ("another key", thief.token("alice", json!({})), "invalid"),
        ("none", format!("{}.", unsigned("none")), "invalid"),
        ("HS256", by_public_key, "invalid"),
        ("no signature", good.rsplit_once('.').unwrap().0.to_owned() + ".", "invalid"),
        ("huge", signer.token("alice", json!({ "x": "y".repeat(20_000) })), "invalid"),
        ("no token", "a.b.c".to_owned(), "invalid"),
        ("no token either", "secret".to_owned(), "invalid"),
    ] {
        let before = failures(&service, reason).await;
        let refused = greet(&service, "/mcp/a", &token).await;
        assert_eq!(refused.status, 401, "{what}");
        let challenge = refused.header("www-authenticate").unwrap().to_owned();
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("resource_metadata=\""),
            "{challenge}"
        );
        assert_eq!(challenge.contains("error=\"invalid_token\""), !token.is_empty(), "{what}: {challenge}");
        let said = challenge + &refused.text().await;
        assert!(token.is_empty() || !said.contains(&token), "{what}: {said}");
        assert_eq!(failures(&service, reason).await, before + 1.0, "{what}");
    }
    // Other ways to send one are none (OAuth 2.1, "5.1.1").
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let query = Ask::mcp(&format!("/mcp/a?access_token={good}"), initialize).send(&service.main).await;
    assert_eq!(query.status, 401);
    assert!(!service.log().contains(&good), "tokens are in no log");
}

/// A token for one server would open all of them, and one that may read would write.
#[tokio::test]
async fn audience_and_scopes_are_those_of_the_endpoint() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    let config = issuer.config("scopes = [\"mcp\"]\naudiences = [\"api://mcp\"]") + &two();
    let service = Service::start(&config).await;
    let all = "mcp b:use";
    for (audience, scope, path, status) in [
        (PUBLIC, all, "/mcp/a", 200),
        (PUBLIC, all, "/mcp/b", 200),
        (PUBLIC, all, "/mcp", 200),
        ("api://mcp", all, "/mcp/b", 200),
        ("/mcp/a", all, "/mcp/a", 200),
        ("/mcp/a/", all, "/mcp/a/", 200),
        ("/mcp/a", all, "/mcp/b", 401),
        ("/mcp/a", all, "/mcp", 401),
        ("/mcp", all, "/mcp/a", 401),
        ("/mcp", all, "/mcp", 200),
        ("/sse/a", all, "/mcp/a", 401),
        ("/nothing", all, "/mcp/a", 401),
        (PUBLIC, "mcp", "/mcp/a", 200),
        (PUBLIC, "mcp", "/mcp/b", 403),
        (PUBLIC, "mcp", "/mcp", 403),
        (PUBLIC, "b:use", "/mcp/b", 403),
        (PUBLIC, "", "/mcp/a", 403),
    ] {
        let audience =
            if audience.starts_with('/') { format!("{PUBLIC}{audience}") } else { audience.to_owned() };
        let token = signer.token("alice", json!({ "aud": audience, "scope": scope }));
        let reply = greet(&service, path, &token).await;
        assert_eq!(reply.status, status, "{audience} {scope} at {path}");
        if status == 403 {
            let challenge = reply.header("www-authenticate").unwrap();
            let wanted = if path == "/mcp/a" { "mcp" } else { all };
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            assert!(
                challenge.contains(&format!("scope=\"{wanted}\"")),
                "all that it takes, at once: {challenge}"
            );
            assert!(challenge.contains("resource_metadata=\""), "{challenge}");
        }
    }
    assert_eq!((failures(&service, "audience").await, failures(&service, "scope").await), (5.0, 4.0));
    // HTTP+SSE: the stream has the URL that a client knows, what it posts to has not.
    let token = signer.token("alice", json!({ "aud": format!("{PUBLIC}/sse/a"), "scope": "mcp" }));
    let bearer = format!("Bearer {token}");
    let get =
        Ask::new("GET", "/sse/a").header("accept", "text/event-stream").header("authorization", &bearer);
    let mut stream = get.send(&service.main).await;
    assert_eq!(stream.status, 200);
    stream.reads("data: ").await;
    let initialize = Client::initialize("2024-11-05", json!({})).to_string();
    let post = Ask::new("POST", &stream.raw_event().await.unwrap()).body(initialize);
    let post = post.header("content-type", "application/json").header("authorization", &bearer);
    assert_eq!(post.send(&service.main).await.status, 202);
    assert!(stream.message().await.unwrap()["result"].is_object());
    // The service itself is for tokens of the service.
    for audience in ["/sse/a", "/mcp", "/close", "/nothing"] {
        let token = signer.token("alice", json!({ "aud": format!("{PUBLIC}{audience}"), "scope": all }));
        let close = Ask::new("POST", "/close").header("authorization", &format!("Bearer {token}"));
        assert_eq!(close.send(&service.main).await.status, 401, "{audience}");
    }
}

/// Whoever copies a configuration to a server would open it to the world.
#[test]
fn nothing_is_served_beyond_loopback_without_credentials_unless_it_is_said() {
    let folder = tempfile::TempDir::new().unwrap();
    let run = |config: &str, command: &[&str]| {
        std::fs::write(folder.path().join("mcpvisor.toml"), config).unwrap();
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_mcpvisor"));
        program.args(command).args(["--config", "mcpvisor.toml"]).current_dir(folder.path());
        let output = program.env("NO_COLOR", "1").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let open = "[gateway]\nlisten = \"0.0.0.0:0\"\n";
    let (code, said) = run(open, &["serve"]);
    assert!(code == Some(64) && said.contains("gateway.listen: beyond loopback"), "{code:?} {said}");
    let with_tokens = "[gateway]\nlisten = \"0.0.0.0:0\"\npublic_url = \"https://mcp.example\"\n\
                       [auth]\nissuer = \"https://login.example\"\njwks_url = \"https://login.example/jwks\"\n";
    for allowed in [&format!("{open}[auth]\nallow_unauthenticated = true\n"), with_tokens] {
        let (code, said) = run(allowed, &["check"]);
        assert_eq!(code, Some(0), "{said}");
    }
}

/// A page in a browser would not learn which scope it lacks.
#[tokio::test]
async fn a_browser_may_read_the_challenge() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    let service = Service::start(&(issuer.config("scopes = [\"mcp\"]") + &two())).await;
    for (token, status) in [(String::new(), 401), (signer.token("alice", json!({})), 403)] {
        let initialize = Client::initialize("2025-11-25", json!({})).to_string();
        let bearer = if token.is_empty() { token } else { format!("Bearer {token}") };
        let ask = Ask::mcp("/mcp/a", initialize)
            .header("origin", "https://mcp.example")
            .header("authorization", &bearer);
        // By the name that a proxy has left.
        let reply = ask.header("host", "mcp.example").send(&service.main).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://mcp.example"));
        assert!(reply.header("access-control-expose-headers").unwrap().contains("www-authenticate"));
    }
}

/// Whoever adds tokens would lock out those with keys, or the other way round.
#[tokio::test]
async fn keys_and_tokens_go_together_and_rules_hold_for_both() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    let digest: String = Sha256::digest("k").iter().map(|byte| format!("{byte:02x}")).collect();
    let rules = format!(
        "keys = [{{ id = \"ci\", sha256 = \"{digest}\" }}]\n\
         rules = [{{ principals = [\"{ISSUER}#al*\"], backends = [\"a\"], tools = [\"echo\"] }},\n\
         {{ principals = [\"ci\"], backends = [\"*\"] }}]"
    );
    let service = Service::start(&(issuer.config(&rules) + &two())).await;
    // Scopes are of tokens.
    let ci = Client::open_with(&service, "b", "k", json!({})).await;
    assert_eq!(ci.text("counter", json!({})).await, "1");
    let (alice, bob) = (signer.token("alice", json!({})), signer.token("bob", json!({})));
    let client = Client::open_with(&service, "a", &alice, json!({})).await;
    assert_eq!(client.text("echo", json!({ "message": "x" })).await, "x");
    assert_eq!(common::code(&client.call("counter", json!({})).await), -32602);
    // Not 403: it is not there for her, whatever her token would have to carry.
    assert_eq!(greet(&service, "/mcp/b", &alice).await.status, 404);
    assert_eq!(greet(&service, "/mcp/a", &bob).await.status, 404);
    let names = async |token: &str| {
        let ask = Ask::new("GET", "/health").header("authorization", &format!("Bearer {token}"));
        let health = ask.send(&service.main).await.json().await;
        health["servers"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        (names("k").await, names(&alice).await, names(&bob).await),
        (vec!["a".into(), "b".into()], vec!["a".to_owned()], vec![])
    );
}
