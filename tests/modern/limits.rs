//! What bounds clients without sessions, and what is done again for them.

use serde_json::{Value, json};

use crate::client::{Modern, VERSION};
use crate::common::{Ask, Service, all, backend, code, eventually, exists, kill_9, text_of};
use crate::demo;

/// A crowd of clients would be a crowd of calls at a server that takes a few.
#[tokio::test]
async fn no_more_calls_are_at_the_backend_than_it_takes() {
    let service = Service::start(&backend("a", &[], "limits.max_in_flight_total = 3")).await;
    let sleeps = (0..20).map(async |_| Modern::new(&service, "a").text("sleep", json!({ "ms": 50 })).await);
    assert!(all(sleeps).await.iter().all(|text| text == "slept 50 ms"));
    let peak: u32 = Modern::new(&service, "a").text("peak", json!({})).await.parse().unwrap();
    assert!((1..=3).contains(&peak), "{peak}");
}

/// What can do no harm twice would fail for a death that its client need not know of.
#[tokio::test]
async fn what_is_safe_is_done_again_after_a_death() {
    let service = Service::start(&(demo("d", "") + &backend("a", &["--read-only", "sleep"], ""))).await;
    for name in ["d", "a"] {
        let client = Modern::new(&service, name);
        let pid = client.pid().await;
        let ((_, answer), ()) = tokio::join!(client.call("sleep", json!({ "ms": 2000 })), async {
            service.in_flight(1).await;
            kill_9(pid);
        });
        assert_eq!(text_of(&answer), "slept 2000 ms", "{name}: {answer}");
    }
}

/// The era has no batches; the parts of one would each be taken for a request without headers.
#[tokio::test]
async fn an_array_is_no_request() {
    let service = Service::start(&backend("a", &[], "")).await;
    let client = Modern::new(&service, "a");
    let batch = json!([client.message("tools/list", json!({})), client.message("tools/list", json!({}))]);
    let ask = Ask::mcp("/mcp/a", batch.to_string()).header("mcp-protocol-version", VERSION);
    let reply = ask.header("mcp-method", "tools/list").send(&service.main).await;
    let (status, answer) = (reply.status, reply.json().await);
    assert_eq!((status, code(&answer)), (400, -32600), "{answer}");
    assert_eq!(service.connections().await, Vec::<Value>::new());
}

/// A server that must not serve two would be given a second request, or stay when its only one is done.
#[tokio::test]
async fn each_request_has_its_own_process_where_that_is_wanted() {
    let alone = "isolation = \"request\"";
    let service = Service::start(&(backend("a", &[], alone) + &demo("d", alone))).await;
    for name in ["a", "d"] {
        let client = Modern::new(&service, name);
        let (one, other) = tokio::join!(client.pid(), client.pid());
        assert!(one != other && client.pid().await != one, "{name}");
        let gone = async || (!exists(one) && !exists(other)).then_some(());
        eventually("they end with their requests", gone).await;
        let (_, mut stream) = client.listen(json!({ "toolsListChanged": true })).await;
        let first = stream.message().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(first["params"]["notifications"], json!({}), "nothing can be told");
    }
    let client = Modern::new(&service, "a");
    let (_, state) = client.asked("elicit", json!({})).await;
    let launches = async || service.metric("mcpvisor_launches_total{backend=\"a\",result=\"ok\"}").await;
    let before = launches().await;
    let (_, done) =
        client.answer("elicit", json!({}), json!({ "r1": { "action": "decline" } }), &state).await;
    assert_eq!(text_of(&done), r#"{"action":"decline"}"#, "the parked call was found again");
    assert_eq!(launches().await, before, "it needed no process of its own");
    let empty = async || service.connections().await.is_empty().then_some(());
    eventually("nothing is left of any request", empty).await;
}
