use super::*;

async fn failure_of(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> PostFailure {
    let mut world = World::new(reply).await;
    world.request(1);
    failure(&mut world, 1).await
}

async fn failure(world: &mut World, wire: u64) -> PostFailure {
    match world.outcome().await {
        Upstream::PostFailed { wire: of, failure } if of == Some(wire) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn status(code: u16, body: &'static str) -> PostFailure {
    PostFailure::Status {
        code,
        retry_after: None,
        challenge: None,
        body: Bytes::from_static(body.as_bytes()),
    }
}

/// A 5xx must be told apart from a server that cannot be reached: the link stays.
#[tokio::test]
async fn a_server_error_is_a_status_even_with_an_answer_in_it() {
    assert_eq!(failure_of(|_| Reply::status("503 Busy", "", "later")).await, status(503, "later"));
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"boom"}}"#;
    assert_eq!(failure_of(move |_| Reply::status("500 Oops", "", error)).await, status(500, error));
}

/// The client could not authenticate, or would hammer a server that asked for time.
#[tokio::test]
async fn challenge_and_retry_after_are_kept() {
    let challenge = "WWW-Authenticate: Bearer resource_metadata=\"https://x\"\r\n";
    let PostFailure::Status { code, challenge, .. } =
        failure_of(move |_| Reply::status("401 No", challenge, "")).await
    else {
        panic!("a status");
    };
    assert_eq!((code, challenge.as_deref()), (401, Some("Bearer resource_metadata=\"https://x\"")));

    let failure = failure_of(|_| Reply::status("429 Slow down", "Retry-After: 17\r\n", "")).await;
    let PostFailure::Status { code, retry_after, .. } = failure else { panic!("a status") };
    assert_eq!((code, retry_after), (429, Some(Duration::from_secs(17))));
}

/// A page of a proxy in the way would fill memory.
#[tokio::test]
async fn only_the_start_of_a_refusal_is_kept() {
    let failure = failure_of(|_| Reply::status("502 Bad", "", &"x".repeat(100_000))).await;
    let PostFailure::Status { body, .. } = failure else { panic!("a status") };
    assert_eq!(body.len(), 4096);
}

/// A request that certainly never left would not be sent again.
#[tokio::test]
async fn a_refused_connection_is_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?key=secret", listener.local_addr().unwrap());
    drop(listener);
    let (mut link, mut events) = link(&url);
    link.post(request(1), Some(1));
    let Some(Upstream::PostFailed { wire: Some(1), failure: PostFailure::NotSent { cause } }) =
        events.recv().await
    else {
        panic!("not sent, and nothing else");
    };
    assert!(cause.starts_with("tcp connect error: Connection refused"), "{cause}");
}

/// A server that does not speak TLS has executed nothing.
#[tokio::test]
async fn a_failed_tls_handshake_is_not_sent() {
    let (url, _requests) = serve(|_| Reply::accepted()).await;
    let url = url.replace("http:", "https:");
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut link = match HttpLink::new(spec(&url), move |event| drop(sender.send(event))) {
        Ok(link) => link,
        Err(HttpSpecError::Tls(_)) => return, // a machine without trusted certificates
        Err(error) => panic!("{error}"),
    };
    link.post(request(1), Some(1));
    let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
    assert!(matches!(&event, Upstream::PostFailed { failure: PostFailure::NotSent { .. }, .. }), "{event:?}");
}

/// A request that may have been executed would be sent twice.
#[tokio::test]
async fn a_connection_lost_before_the_answer_is_a_cut() {
    assert!(matches!(failure_of(|_| Reply::hang_up()).await, PostFailure::Cut { .. }));
}

/// The client would wait for an answer that cannot come.
#[tokio::test]
async fn a_success_without_the_answer_is_malformed() {
    for reply in [Reply::accepted, || Reply::json("", ""), || Reply::status("200 OK", "", "<html>")] {
        assert!(matches!(failure_of(move |_| reply()).await, PostFailure::Malformed { .. }));
    }
    let other = answer(2);
    let text = other.clone();
    let mut world = World::new(move |_| Reply::json("", &text)).await;
    world.request(1);
    assert_eq!(world.outcome().await, frame(1, &other));
    assert!(matches!(failure(&mut world, 1).await, PostFailure::Malformed { .. }));
}

/// One giant message would take the memory of every session.
#[tokio::test]
async fn an_over_long_message_is_refused_in_either_form() {
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "x".repeat(2000));
    let (json, events) = (long.clone(), format!("data: {long}\n\n"));
    let too_long = PostFailure::TooLong { limit: 1024 };
    assert_eq!(failure_of(move |_| Reply::json("", &json)).await, too_long);
    assert_eq!(failure_of(move |_| Reply::events(&events)).await, too_long);
    assert_eq!(failure_of(|_| Reply::open_events(&"x".repeat(2000))).await, too_long);
}

/// Our credentials would be handed to whoever a server points at.
#[tokio::test]
async fn a_redirect_stays_with_its_origin() {
    let (elsewhere, mut strangers) = serve(|_| Reply::accepted()).await;
    let location = format!("Location: {elsewhere}\r\n");
    let failure = failure_of(move |_| Reply::status("307 There", &location, "")).await;
    assert_eq!(failure, status(307, ""));
    assert!(strangers.try_recv().is_err());

    let mut world = World::new(|seen| match seen.path.as_str() {
        "/mcp" => Reply::status("308 Here", "Location: /mcp/\r\n", ""),
        _ => Reply::json("", &answer(wire_of(seen))),
    })
    .await;
    world.request(1);
    assert_eq!(world.event().await, Upstream::Sent { wire: 1 });
    assert_eq!(world.event().await, frame(1, &answer(1)));
}

/// A redirect to itself would never end.
#[tokio::test]
async fn redirects_are_counted() {
    let failure = failure_of(|_| Reply::status("307 Again", "Location: /mcp\r\n", "")).await;
    assert_eq!(failure, status(307, ""));
}

/// A mistake in the configuration would only show at the first request, or a secret in its message.
#[tokio::test]
async fn what_cannot_work_is_refused_at_once() {
    let refused = |url: &str, name: &str, value: &str| {
        let spec = HttpSpec { headers: vec![(name.to_owned(), value.to_owned())], ..spec(url) };
        HttpLink::new(spec, |_| {}).err().expect("refused")
    };
    assert!(matches!(refused("ftp://x/", "a", "b"), HttpSpecError::Url { .. }));
    assert!(matches!(refused("no url", "a", "b"), HttpSpecError::Url { .. }));
    let header = refused("http://x/", "X-Key", "sec\nret");
    assert!(
        matches!(header, HttpSpecError::Header { .. }) && !format!("{header:?} {header}").contains("sec")
    );
    assert!(matches!(refused("http://x/", "content-length", "1"), HttpSpecError::ReservedHeader { .. }));
}
