use super::*;

/// The simplest server there is would be of no use, and a client would wait for ever.
#[tokio::test]
async fn a_json_answer_follows_its_sending_byte_for_byte() {
    let odd = "{ \"id\": 7,\n \"jsonrpc\":\"2.0\", \"result\": {\"n\": 1.0, \"x\": null} }";
    let mut world = World::new(move |_| Reply::json("", odd)).await;
    world.request(7);
    assert_eq!(world.event().await, Upstream::Sent { wire: 7 });
    assert_eq!(world.event().await, frame(7, odd));
    let seen = world.seen().await;
    assert_eq!(seen.body.as_bytes(), request(7));
    assert_eq!(seen.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("x-key"), Some("secret"));
    assert_eq!(seen.header("mcp-session-id"), None);
    assert_eq!(seen.header("authorization"), None);
}

/// Progress would be lost, or arrive after the answer.
#[tokio::test]
async fn notifications_come_before_the_answer_of_their_stream() {
    let events = format!(": hi\n\ndata: {}\n\nevent: ping\ndata: x\n\ndata: {}\n\n", notice(), answer(3));
    let mut world = World::new(move |_| Reply::events(&events)).await;
    world.request(3);
    assert_eq!(world.outcome().await, frame(3, &notice()));
    assert_eq!(world.outcome().await, frame(3, &answer(3)));
}

/// The answer would wait until a server that keeps its stream open closes it.
#[tokio::test]
async fn an_answer_does_not_wait_for_the_end_of_its_stream() {
    let mut world =
        World::new(|seen| Reply::open_events(&format!("data: {}\n\n", answer(wire_of(seen))))).await;
    world.request(1);
    assert_eq!(world.outcome().await, frame(1, &answer(1)));
    world.request(2);
    assert_eq!(world.outcome().await, frame(2, &answer(2)));
}

/// Old servers answer with an array: the request would count as cut, though it was answered.
#[tokio::test]
async fn an_array_with_the_answer_is_handed_over_whole() {
    let batch = format!("[{}, {}]", notice(), answer(4));
    let text = batch.clone();
    let mut world = World::new(move |_| Reply::json("", &text)).await;
    world.request(4);
    world.request(4);
    assert_eq!(world.outcome().await, frame(4, &batch));
    assert_eq!(world.outcome().await, frame(4, &batch));
}

/// One slow tool would hold up every other request of its session.
#[tokio::test]
async fn a_hundred_requests_are_in_flight_at_once() {
    let mut world = World::new(|_| Reply::silence()).await;
    for wire in 0..100 {
        world.request(wire);
    }
    for _ in 0..100 {
        world.seen().await;
    }
}

/// A 400 with the answer in it would hide what the server says is wrong.
#[tokio::test]
async fn an_error_answer_in_a_400_is_an_answer() {
    let error = r#"{"jsonrpc":"2.0","id":5,"error":{"code":-32602,"message":"no"}}"#;
    let mut world = World::new(move |_| Reply::status("400 Bad Request", "", error)).await;
    world.request(5);
    assert_eq!(world.outcome().await, frame(5, error));
}

/// An answer that nobody wants any more would keep its connection, and be reported to the wrong request.
#[tokio::test]
async fn an_aborted_request_is_not_reported() {
    let mut world = World::new(|seen| match wire_of(seen) {
        1 => Reply::silence(),
        wire => Reply::json("", &answer(wire)),
    })
    .await;
    world.request(1);
    assert_eq!(world.event().await, Upstream::Sent { wire: 1 });
    world.link.abort(1);
    world.request(2);
    assert_eq!(world.event().await, Upstream::Sent { wire: 2 });
    assert_eq!(world.event().await, frame(2, &answer(2)));
}
