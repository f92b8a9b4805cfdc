//! The issuer's keys: how new ones are learned, and what becomes of old ones.

use crate::common::eventually;
use crate::*;

/// Every rotation would lock everybody out until somebody restarts the service.
#[tokio::test]
async fn a_new_key_is_learned_with_its_first_token_and_an_old_one_forgotten() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let issuer = Issuer::start(&[&old]).await;
    let service = Service::start(&(issuer.config("") + &two())).await;
    let (by_old, by_new) = (old.token("alice", json!({})), new.token("alice", json!({})));
    let client = Client::open_with(&service, "a", &by_old, json!({})).await;
    let pid = client.pid().await;
    assert_eq!(issuer.fetches(), 1);
    issuer.publish(&[&new]);
    assert_eq!(greet(&service, "/mcp/a", &by_new).await.status, 200);
    assert_eq!(issuer.fetches(), 2, "for the key that was not known");
    // It was verified before: what has shown that is not remembered longer than the key.
    assert_eq!(greet(&service, "/mcp/a", &by_old).await.status, 401);
    // Whoever comes back with a new token is still who he was.
    let mut client = client;
    client.key = by_new;
    assert_eq!(client.pid().await, pid);
    // Names that somebody makes up are looked for no more for a while.
    for _ in 0..20 {
        let stranger = Signer::new("made-up").token("alice", json!({}));
        assert_eq!(greet(&service, "/mcp/a", &stranger).await.status, 401);
    }
    assert_eq!(issuer.fetches(), 2);
}

/// A key that was stolen from the issuer would open doors until somebody restarts the service.
#[tokio::test]
async fn a_key_that_is_gone_is_forgotten_without_being_asked_for() {
    let (stolen, other) = (Signer::new("1"), Signer::new("2"));
    let issuer = Issuer::start(&[&stolen, &other]).await;
    let service = Service::start(&(issuer.config("jwks_refresh = \"10s\"") + &two())).await;
    let token = stolen.token("alice", json!({}));
    assert_eq!(greet(&service, "/mcp/a", &token).await.status, 200);
    issuer.publish(&[&other]);
    let refused = async || (greet(&service, "/mcp/nothing", &token).await.status == 401).then_some(());
    eventually("its token is refused", refused).await;
    assert_eq!(greet(&service, "/mcp/a", &other.token("alice", json!({}))).await.status, 200);
}

/// Everybody would be locked out while the issuer is being restarted.
#[tokio::test]
async fn keys_that_are_known_hold_while_the_issuer_is_away() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    let service = Service::start(&(issuer.config("") + &two())).await;
    assert_eq!(greet(&service, "/mcp/a", &signer.token("alice", json!({}))).await.status, 200);
    issuer.set_away(true);
    let other = Signer::new("2");
    assert_eq!(greet(&service, "/mcp/a", &other.token("alice", json!({}))).await.status, 401);
    assert_eq!(issuer.fetches(), 2, "it was asked");
    assert_eq!(greet(&service, "/mcp/a", &signer.token("bob", json!({}))).await.status, 200);
    // Nor does a reload forget them.
    service.reload(&(issuer.config("leeway = \"1s\"") + &two())).await;
    let fetched = async || (issuer.fetches() >= 3).then_some(());
    eventually("it is asked again for that", fetched).await;
    assert_eq!(greet(&service, "/mcp/a", &signer.token("carol", json!({}))).await.status, 200);
}

/// A client would be told that its good token is bad, and ask its user to log in again and again.
#[tokio::test]
async fn while_no_key_was_ever_fetched_nobody_is_told_that_his_token_is_bad() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    issuer.set_away(true);
    let service = Service::start(&(issuer.config("") + &two())).await;
    let token = signer.token("alice", json!({}));
    let refused = greet(&service, "/mcp/a", &token).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some() && refused.header("www-authenticate").is_none());
    assert_eq!(failures(&service, "unavailable").await, 1.0);
    // What can be told without keys is.
    assert_eq!(greet(&service, "/mcp/a", &signer.token("alice", json!({ "exp": 1 }))).await.status, 401);
    issuer.set_away(false);
    let let_in = async || (greet(&service, "/mcp/a", &token).await.status == 200).then_some(());
    eventually("it is asked again by itself", let_in).await;
}
