//! The older transport: one stream, and POSTs that are only acknowledged.

use super::*;

const PLACE: &str = "event: endpoint\ndata: /m?id=1\n\n";

impl World {
    /// Over the older transport.
    async fn old(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let (url, requests) = serve(reply).await;
        let (sender, events) = mpsc::unbounded_channel();
        let spec = HttpSpec { dialect: Dialect::Sse, ..spec(&url) };
        let link = HttpLink::new(spec, move |event| drop(sender.send(event))).unwrap();
        Self { link, events, requests }
    }

    async fn ended(&mut self) -> PostFailure {
        match self.outcome().await {
            Upstream::StreamEnded { failure } => failure,
            other => panic!("{other:?}"),
        }
    }
}

/// An old server would never be asked anything, or its answers would not be heard.
#[tokio::test]
async fn messages_go_where_the_stream_says_and_answers_come_on_it() {
    let stream = format!("{PLACE}event: message\ndata: {}\n\ndata: {}\n\n", answer(1), notice());
    let mut world = World::old(move |seen| match seen.method.as_str() {
        "GET" => Reply::open_events(&stream),
        _ => Reply::status("202 Accepted", "Mcp-Session-Id: x\r\n", "Accepted"),
    })
    .await;
    world.request(1);
    assert_eq!(world.outcome().await, unsolicited(&answer(1)));
    assert_eq!(world.outcome().await, unsolicited(&notice()));
    let opened = world.seen().await;
    assert_eq!((&*opened.method, &*opened.path, opened.header("x-key")), ("GET", "/mcp", Some("secret")));
    world.link.established("2024-11-05");
    world.link.open_stream();
    world.request(2);
    for wire in [1, 2] {
        let posted = world.seen().await;
        assert_eq!((&*posted.method, &*posted.path, wire_of(&posted)), ("POST", "/m?id=1", wire));
        assert_eq!(posted.header("x-key"), Some("secret"));
        assert!(posted.header("mcp-session-id").is_none() && posted.header("mcp-protocol-version").is_none());
    }
}

/// Our credentials would be sent to whoever the server names.
#[tokio::test]
async fn messages_go_to_no_other_origin() {
    for place in ["http://127.0.0.1:1/m", "//example.com/m", "ftp://x/", "http://"] {
        let stream = format!("event: endpoint\ndata: {place}\n\n");
        let mut world = World::old(move |_| Reply::open_events(&stream)).await;
        world.request(1);
        assert!(matches!(world.ended().await, PostFailure::Malformed { .. }), "{place}");
        assert_eq!(world.seen().await.method, "GET");
        assert!(world.requests.try_recv().is_err(), "{place}: nothing is posted");
    }
}

/// A session whose stream is gone would wait for answers for ever.
#[tokio::test]
async fn the_end_of_the_stream_is_told_with_its_cause() {
    let mut cut = World::old(|_| Reply::events(PLACE)).await;
    assert!(matches!(cut.ended().await, PostFailure::Cut { .. }));
    let mut refused = World::old(|_| Reply::status("404 Not Found", "", "no")).await;
    assert!(matches!(refused.ended().await, PostFailure::Status { code: 404, .. }));
    let mut json = World::old(|_| Reply::json("", "{}")).await;
    assert!(matches!(json.ended().await, PostFailure::Malformed { .. }));
    let long = format!("{PLACE}data: {}\n\n", "x".repeat(2000));
    let mut long = World::old(move |_| Reply::open_events(&long)).await;
    assert!(matches!(long.ended().await, PostFailure::TooLong { limit: 1024 }));
}

/// A request that the server has refused would wait for its answer until its time is over.
#[tokio::test]
async fn a_post_that_is_refused_fails_its_request_alone() {
    let mut world = World::old(|seen| match seen.method.as_str() {
        "GET" => Reply::open_events(PLACE),
        _ => Reply::status("500 Internal Server Error", "", "no"),
    })
    .await;
    world.request(7);
    let failed = world.outcome().await;
    let Upstream::PostFailed { wire: Some(7), failure: PostFailure::Status { code: 500, .. } } = failed
    else {
        panic!("{failed:?}")
    };
}
