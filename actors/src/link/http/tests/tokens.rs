//! Tokens of our own, from a token server and for an upstream that are the same server here.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use mcpvisor_config::{ClientAuth, Oauth};

use super::*;
use crate::link::http::{TokenError, TokenSource};

fn oauth(url: &str) -> Oauth {
    Oauth {
        token_url: url.replace("/mcp", "/token"),
        client_id: "me".into(),
        client_secret: "s3cret".into(),
        client_auth: ClientAuth::Basic,
        scope: "read".into(),
        resource: url.into(),
        audience: String::new(),
    }
}

/// Counts the tokens it gives: `t1`, `t2`, … `life`: `expires_in` of each.
fn granting(life: &'static str) -> impl Fn(&Seen) -> Option<Reply> + Send + Sync {
    let given = AtomicUsize::new(0);
    move |seen| {
        (seen.path == "/token").then(|| {
            let number = given.fetch_add(1, SeqCst) + 1;
            Reply::json("", &format!(r#"{{"access_token":"t{number}","token_type":"bearer"{life}}}"#))
        })
    }
}

async fn world(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (World, TokenSource) {
    let (url, requests) = serve(reply).await;
    let source = TokenSource::new(&oauth(&url));
    let (link, events) = link_with(&url, &source);
    (World { link, events, requests }, source)
}

fn link_with(url: &str, source: &TokenSource) -> (HttpLink, mpsc::UnboundedReceiver<Upstream>) {
    let (sender, events) = mpsc::unbounded_channel();
    let spec = HttpSpec { authorization: Authorization::Token(source.clone()), ..spec(url) };
    (HttpLink::new(spec, move |event| drop(sender.send(event))).unwrap(), events)
}

fn answering(seen: &Seen) -> Reply {
    Reply::json("", &answer(wire_of(seen)))
}

/// Every session, and every request, would cost a token of its own, and a token server its patience.
#[tokio::test]
async fn all_who_need_a_token_at_once_share_one() {
    let granting = granting(r#","expires_in":3600"#);
    let (mut world, source) = world(move |seen| granting(seen).unwrap_or_else(|| answering(seen))).await;
    let other = futures(&source, 8).await;
    assert!(other.iter().all(|token| token.as_deref() == Ok("Bearer t1")), "{other:?}");
    world.request(1);
    assert_eq!(world.outcome().await, frame(1, &answer(1)));
    let asked = world.seen().await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/token"));
    assert!(asked.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    assert!(
        asked.body.starts_with("grant_type=client_credentials&scope=read&resource=http%3A%2F%2F127.0.0.1")
    );
    let called = world.seen().await;
    assert_eq!((called.path.as_str(), called.header("authorization")), ("/mcp", Some("Bearer t1")));
    assert_eq!(called.header("x-key"), Some("secret"), "what is configured goes along");
}

async fn futures(source: &TokenSource, count: usize) -> Vec<Result<String, TokenError>> {
    let ask = |source: TokenSource| async move {
        source.token().await.map(|token| token.header().to_str().unwrap().to_owned())
    };
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(ask(source.clone()))).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

/// A token that was taken back would stop the backend for good.
#[tokio::test]
async fn a_token_that_is_refused_is_got_anew_once() {
    let granting = granting("");
    let (mut world, _source) = world(move |seen| {
        granting(seen).unwrap_or_else(|| match seen.header("authorization") {
            Some("Bearer t2") => answering(seen),
            _ => Reply::status("401 No", "WWW-Authenticate: Bearer\r\n", "no"),
        })
    })
    .await;
    world.request(1);
    assert_eq!(world.outcome().await, frame(1, &answer(1)));
    world.request(2);
    assert_eq!(world.outcome().await, frame(2, &answer(2)));
    let mut paths = Vec::new();
    while let Ok(seen) = world.requests.try_recv() {
        paths.push(seen.path);
    }
    assert_eq!(paths, ["/token", "/mcp", "/token", "/mcp", "/mcp"]);
}

#[tokio::test]
async fn an_upstream_that_refuses_every_token_is_asked_twice_and_no_more() {
    let granting = granting("");
    let (mut world, _source) =
        world(move |seen| granting(seen).unwrap_or_else(|| Reply::status("401 No", "", "no"))).await;
    world.request(1);
    let outcome = world.outcome().await;
    assert!(
        matches!(
            outcome,
            Upstream::PostFailed { wire: Some(1), failure: PostFailure::Status { code: 401, .. } }
        ),
        "{outcome:?}"
    );
}

/// Requests would wait for a token server in the moment a token ends, again and again.
#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_used_until_then() {
    let granting = granting(r#","expires_in":5"#);
    let (_world, source) = world(move |seen| granting(seen).unwrap_or_else(|| answering(seen))).await;
    assert_eq!(futures(&source, 1).await[0].as_deref(), Ok("Bearer t1"));
    let start = tokio::time::Instant::now();
    let mut last = String::new();
    while last != "Bearer t2" {
        assert!(start.elapsed() < PATIENCE, "it is not renewed");
        last = futures(&source, 1).await.remove(0).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(5), "only after its end");
    assert!(start.elapsed() > Duration::from_secs(3), "long before its end");
}

/// What a token server says may have anything in it; a secret of ours, too.
#[tokio::test]
async fn why_there_is_no_token_is_told_without_secrets() {
    let refused = r#"{"error":"invalid_client","error_description":"me:s3cret is wrong"}"#;
    let strange = r#"{"error":"s3cret"}"#;
    for (status, body, expected, is_final) in [
        ("401 No", refused, "the token server answers with HTTP status 401 (invalid_client)", true),
        ("400 No", strange, "the token server answers with HTTP status 400", true),
        ("503 Later", "", "the token server answers with HTTP status 503", false),
        ("200 OK", r#"{"token":"s3cret"}"#, "the answer of the token server has no access_token", false),
        ("200 OK", r#"{"access_token":"s3cret","token_type":"mac"}"#, "is not of token_type Bearer", false),
        ("302 Elsewhere", "", "the token server answers with HTTP status 302", false),
    ] {
        let (mut world, source) = world(move |_| Reply::status(status, "Location: /x\r\n", body)).await;
        let error = futures(&source, 1).await.remove(0).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.is_final(), is_final, "{error}");
        world.request(1);
        let outcome = world.outcome().await;
        assert!(
            matches!(&outcome, Upstream::PostFailed { wire: Some(1), failure: PostFailure::NoToken { .. } }),
            "{outcome:?}"
        );
        assert!(!format!("{error} {error:?} {outcome:?}").contains("s3cret"));
    }
}
