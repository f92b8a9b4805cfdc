//! What belongs to whom: to the subject of the token, not to the token.

use crate::*;

/// A session would end with every token, or go on for whoever has stolen its id.
#[tokio::test]
async fn a_session_belongs_to_its_subject_whatever_the_token() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    let service = Service::start(&(issuer.config("") + &two())).await;
    let first = signer.token("alice", json!({}));
    let mut client = Client::open_with(&service, "a", &first, json!({})).await;
    assert_eq!(client.text("counter", json!({})).await, "1");
    client.key = signer.token("alice", json!({ "jti": "another" }));
    assert_eq!(client.text("counter", json!({})).await, "2");
    let mut thief = Client::of(&service, "a", client.session.clone());
    thief.key = signer.token("bob", json!({}));
    let stolen = thief.post(&thief.message("ping", json!({}))).await;
    let mut unknown = Client::of(&service, "a", "unknown".to_owned());
    unknown.key = thief.key.clone();
    let nothing = unknown.post(&unknown.message("ping", json!({}))).await;
    assert_eq!((stolen.status, nothing.status), (404, 404));
    assert_eq!(stolen.text().await, nothing.text().await);
    assert_eq!(failures(&service, "foreign_session").await, 1.0);
    assert_eq!(client.text("counter", json!({})).await, "3");
    // Without sessions: a process for each subject.
    let modern = |token: &str| Modern::new(&service, "a").by(token);
    let count = async |token: &str| modern(token).text("counter", json!({})).await;
    assert_eq!(
        (count(&first).await, count(&thief.key).await, count(&client.key).await),
        ("1".into(), "1".into(), "2".to_owned())
    );
}

/// Whoever has found an old token would go on listening.
#[tokio::test]
async fn streams_end_when_their_token_expires() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    let service = Service::start(&(issuer.config("leeway = \"0s\"") + &two())).await;
    let lasting = signer.token("alice", json!({}));
    let mut client = Client::open_with(&service, "a", &lasting, json!({})).await;
    let until = now() + 2;
    client.key = signer.token("alice", json!({ "exp": until }));
    let mut stream = client.stream().await;
    let (_, mut listening) =
        Modern::new(&service, "a").by(&client.key).listen(json!({ "toolsListChanged": true })).await;
    assert_eq!(stream.message().await, None);
    let mut last = None;
    while let Some(message) = listening.message().await {
        last = Some(message);
    }
    assert_eq!(last.unwrap()["result"]["resultType"], "complete");
    assert!(now() >= until);
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 401);
    assert_eq!(failures(&service, "expired").await, 1.0);
    client.key = lasting;
    let mut stream = client.stream().await;
    client.call("change_tools", json!({})).await;
    assert!(stream.message().await.is_some(), "the session goes on, and its streams with another token");
}

/// Sessions of nobody would stay, with all that they hold.
#[tokio::test]
async fn sessions_of_an_issuer_that_is_gone_end() {
    let signer = Signer::new("1");
    let issuer = Issuer::start(&[&signer]).await;
    let service = Service::start(&(issuer.config("") + &two())).await;
    let token = signer.token("alice", json!({}));
    let client = Client::open_with(&service, "a", &token, json!({})).await;
    let mut stream = client.stream().await;
    // Nothing that concerns the session.
    let report = service.reload(&(issuer.config("leeway = \"1m\"") + &two())).await;
    assert_eq!((&report["settings"], &report["strangers"]), (&json!(["auth.leeway"]), &json!(0)));
    assert_eq!(stream.message().await, None, "what was asked of its token has changed: it may ask again");
    assert_eq!(client.text("counter", json!({})).await, "1");
    let digest = "0".repeat(64);
    let report = service
        .reload(&(format!("[auth]\nkeys = [{{ id = \"x\", sha256 = \"{digest}\" }}]\n") + &two()))
        .await;
    assert_eq!(report["strangers"], json!(1), "{report}");
    assert_eq!(client.post(&client.message("ping", json!({}))).await.status, 401);
}
