//! Tasks of 2025-11-25, which mcpvisor does not know and need not.

use serde_json::json;

use super::common::{Client, Service, code, reason};
use super::mirror;

/// A client could start long work and never learn what became of it.
#[tokio::test]
async fn tasks_pass_as_everything_else() {
    let service = Service::start(&mirror("")).await;
    let client = Client::open(&service, "m").await;
    let task = json!({ "taskId": "t-1", "x": 1.0 });
    for (method, params) in [
        ("tools/call", json!({ "name": "long", "arguments": {}, "task": { "ttl": 60000 } })),
        ("tasks/get", task.clone()),
        ("tasks/list", json!({ "cursor": "c" })),
        ("tasks/cancel", task.clone()),
        ("tasks/result", task),
        ("completion/complete", json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": {} })),
    ] {
        assert_eq!(client.request(method, params.clone()).await["result"], params, "{method}");
    }
}

/// `tasks/result` waits for the end of the task, which may take hours: no time is too long for it.
#[tokio::test]
async fn no_request_clock_runs_for_the_result_of_a_task() {
    let service =
        Service::start(&mirror("timeouts.request = \"300ms\"\ntimeouts.request_max = \"600ms\"\n")).await;
    let client = Client::open(&service, "m").await;
    let (waited, late) = tokio::join!(
        client.request("tasks/result", json!({ "taskId": "t", "ms": 1500 })),
        client.request("x/slow", json!({ "ms": 1500 })),
    );
    assert_eq!(waited["result"]["taskId"], "t", "{waited}");
    assert_eq!((code(&late), reason(&late)), (-31003, "request"), "{late}");
}
