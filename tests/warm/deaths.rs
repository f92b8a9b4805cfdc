//! Spares that die, whenever they do: nobody's error.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::common::{Ask, Client, Service, backend, end, eventually, exists, kill_9, reason, signal};
use super::{all_warm, lost, nobody_has_an_error, pid_of, reserve, spares, the_spare, used};

/// Spares that die would be missed by the next session, or charged to one that works.
#[tokio::test]
async fn a_killed_spare_is_replaced_and_no_session_pays_for_it() {
    let service = Service::start(&backend("a", &[], "warm = 1")).await;
    the_spare(&service).await;
    let client = Client::open(&service, "a").await;
    let own = client.pid().await;
    let spare = the_spare(&service).await;
    kill_9(spare);
    let replaced = async || (lost(&service).await == 1.0).then_some(());
    eventually("the loss is counted", replaced).await;
    assert_ne!(the_spare(&service).await, spare);
    assert!(!exists(spare));
    assert_eq!(client.pid().await, own);
    assert_eq!(used(&service, "died").await, 0.0);
    assert!(service.log().contains("spare.lost"));
    nobody_has_an_error(&service).await;
}

/// The first client after a silent death would get an error in place of a server.
#[tokio::test]
async fn a_spare_that_dies_in_the_hands_of_a_session_costs_it_one_fresh_launch() {
    let service = Service::start(&backend("a", &[], "warm = 1")).await;
    let spare = the_spare(&service).await;
    // It takes what it is sent, and says nothing.
    signal(spare, Signal::STOP);
    let (client, ()) = tokio::join!(Client::open(&service, "a"), async {
        let given = async || service.connections().await.first().and_then(pid_of).filter(|pid| *pid == spare);
        eventually("the session was given the spare", given).await;
        kill_9(spare);
    });
    assert_ne!(client.pid().await, spare);
    assert_eq!(client.text("counter", json!({})).await, "1");
    assert_eq!((used(&service, "ok").await, used(&service, "died").await), (0.0, 1.0));
    assert_eq!(service.metric(r#"mcpvisor_launches_total{backend="a",result="ok"}"#).await, 1.0);
    nobody_has_an_error(&service).await;
}

/// A restart that meets a dead spare would be counted twice, and the session stopped before its time.
#[tokio::test]
async fn a_restart_with_a_dead_spare_is_counted_once() {
    let service =
        Service::start(&backend("a", &["--fault-tools"], "warm = 1\npool.max_error_count = 1")).await;
    the_spare(&service).await;
    let client = Client::open(&service, "a").await;
    let spare = the_spare(&service).await;
    signal(spare, Signal::STOP);
    client.call("crash", json!({})).await;
    let given = async || service.connections().await.first().and_then(pid_of).filter(|pid| *pid == spare);
    eventually("the session was given the spare", given).await;
    kill_9(spare);
    assert_ne!(client.pid().await, spare);
    let connections = service.connections().await;
    assert_eq!((&connections[0]["error_count"], &connections[0]["restarts"]), (&json!(1), &json!(1)));
    assert_eq!(used(&service, "died").await, 1.0);
}

/// Whatever the moment of the death: a client would be told of it.
#[tokio::test]
async fn no_client_ever_notices_a_spare_that_is_dead_when_it_is_given() {
    let settings = "warm = 1\nbackoff.min = \"1ms\"\nbackoff.max = \"1ms\"";
    let service = Service::start(&backend("a", &[], settings)).await;
    for round in 0..60 {
        let spare = the_spare(&service).await;
        let (client, ()) = tokio::join!(Client::open(&service, "a"), async {
            // From before the request to after its answer.
            let early = round % 3 == 0;
            if !early {
                tokio::time::sleep(Duration::from_micros(100 * (round % 20))).await;
            }
            end(spare);
        });
        // It may have been killed after it had answered; then this is a restart like any other.
        let served = async || {
            let answer = client.call("echo", json!({ "message": "x" })).await;
            answer["result"].is_object().then_some(())
        };
        eventually("it is served", served).await;
        assert_eq!(client.delete().await, 204);
    }
    all_warm(&service, 1).await;
    assert_eq!(service.metric(r#"mcpvisor_breaker_open{backend="a"}"#).await, 0.0);
    let log = service.log();
    assert!(!log.contains("panicked") && !log.contains("please report"), "{log}");
}

/// A server that cannot start would be started in a loop, for nobody.
#[tokio::test]
async fn a_server_that_dies_at_once_is_started_no_more_often_than_the_backoff_lets() {
    let starts = tempfile::NamedTempFile::new().unwrap();
    let script = format!("printf + >> {}; exit 3", starts.path().display());
    let config = format!(
        "[backends.a]\ncommand = \"sh\"\nargs = [\"-c\", {script:?}]\nwarm = 3\nbackoff.jitter = 0.0\n"
    );
    let begun = Instant::now();
    let service = Service::start(&config).await;
    eventually("five have died", async || (lost(&service).await >= 5.0).then_some(())).await;
    // At once, after 250 ms, 500 ms, 1 s.
    assert!(begun.elapsed() >= Duration::from_millis(1750), "{:?}", begun.elapsed());
    let started = starts.path().metadata().unwrap().len();
    assert!((5..=6).contains(&started), "{started}");
    assert_eq!(service.get("/readyz").await.status, 200);
    assert!(service.log().contains("exit code 3"), "the cause is logged");
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let failed = Ask::mcp("/mcp/a", initialize).send(&service.main).await.json().await;
    assert_eq!(reason(&failed), "exit", "sessions are told as without spares: {failed}");
}

/// A command that does not exist would be looked for until the end of days.
#[tokio::test]
async fn what_can_never_start_is_tried_once() {
    let service =
        Service::start("[backends.a]\ncommand = \"/no/such/server\"\nwarm = 2\nbackoff.max = \"250ms\"\n")
            .await;
    eventually("it was tried", async || (lost(&service).await >= 1.0).then_some(())).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        assert_eq!((lost(&service).await, spares(&service).await), (1.0, (0, 0)));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A server that knows no ping before its handshake would be killed by it for ever, and none be in reserve.
#[tokio::test]
async fn a_server_that_dies_of_a_ping_is_left_in_peace() {
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    let script =
        format!("read line; case \"$line\" in *ping*) exit 4;; esac; echo '{answer}'; cat >/dev/null");
    let config = format!(
        "[backends.a]\ncommand = \"sh\"\nargs = [\"-c\", {:?}]\nwarm = 1\ntimeouts.launch = \"4s\"\n",
        script
    );
    let service = Service::start(&config).await;
    let spare = the_spare(&service).await;
    assert_eq!(lost(&service).await, 1.0);
    Client::open(&service, "a").await;
    let connections: Vec<Value> = service.connections().await;
    assert_eq!(pid_of(&connections[0]), Some(spare), "{connections:?}");
    nobody_has_an_error(&service).await;
    assert!(!reserve(&service).await.contains(&spare));
}
