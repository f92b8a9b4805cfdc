//! How a reload is ordered, and what is said of it.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use rustix::pty;
use serde_json::{Value, json};

use crate::common::{Client, Service, backend, eventually, text_of};
use crate::{marked, ordered, write};

/// `mcpvisor reload` for this service.
fn command(service: &Service, arguments: &[&str]) -> Output {
    let state = service.path("state");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcpvisor"));
    command.args(["reload", "--state-dir", state.to_str().unwrap()]).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn mark(client: &Client) -> String {
    client.text("env", json!({ "name": "MARK" })).await
}

/// A typing mistake would end a service that runs, or be found one after the other.
#[tokio::test]
async fn a_wrong_file_changes_nothing_and_all_that_is_wrong_is_told_without_secrets() {
    let service = Service::start(&marked("a", "hunter-22", "")).await;
    let client = Client::open(&service, "a").await;
    let pid = client.pid().await;
    let wrong = "[pool]\nidle_timeuot = \"1m\"\nmax_error_count = \"hunter-22\"\n[backends.b]\n\
                 command = \"x\"\nurl = \"http://hunter-22/\"\n";
    write(&service, wrong);
    for query in ["?dry_run=true", ""] {
        let (status, report) = ordered(&service, query).await;
        assert_eq!((status, &report["result"]), (422, &json!("failed")), "{report}");
        let problems = report["problems"].to_string();
        for part in ["mcpvisor.toml:2", "idle_timeout", "max_error_count", "backends.b"] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
    }
    assert_eq!(client.pid().await, pid);
    assert_eq!(service.metric("mcpvisor_config_last_reload_successful").await, 0.0);
    assert_eq!(service.metric(r#"mcpvisor_config_reloads_total{result="failed"}"#).await, 1.0);
    let since = service.metric("mcpvisor_config_last_reload_success_timestamp_seconds").await;
    let asked = command(&service, &[]);
    assert_eq!(asked.status.code(), Some(64), "{}", said(&asked));
    assert!(said(&asked).contains("idle_timeuot") && said(&asked).contains("backends.b"), "{}", said(&asked));
    // The secret of before, and what changes about it, are nobody's business.
    write(&service, &marked("a", "hunter-33", ""));
    let changed = [said(&command(&service, &["--dry-run"])), said(&command(&service, &["--json"]))].concat();
    assert!(changed.contains("env.MARK"), "{changed}");
    let log = service.log();
    assert!(log.contains("config.reload_failed") && log.contains("config.reloaded"));
    for text in [said(&asked), changed, log] {
        assert!(!text.contains("hunter"), "{text}");
    }
    assert_eq!(mark(&client).await, "hunter-33");
    assert_eq!(service.metric("mcpvisor_config_last_reload_successful").await, 1.0);
    assert!(service.metric("mcpvisor_config_last_reload_success_timestamp_seconds").await >= since);
}

/// Nobody could look before he leaps.
#[tokio::test]
async fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let service = Service::start(&[marked("a", "1", ""), marked("old", "1", "")].concat()).await;
    let client = Client::open(&service, "a").await;
    let pid = client.pid().await;
    let general = "[gateway]\nworkers = 3\n[pool]\nidle_timeout = \"9m\"\n";
    write(&service, &[general, &marked("a", "2", "retry = \"never\""), &marked("new", "1", "")].concat());
    let looked = command(&service, &["--dry-run"]);
    assert_eq!(looked.status.code(), Some(0), "{}", said(&looked));
    for line in [
        "would be reloaded: 1 added, 1 removed, 1 changed",
        "added     new",
        "removed   old",
        "changed   a: env.MARK, retry (its connections are replaced)",
        "setting   pool.idle_timeout",
        "restart   gateway.workers",
    ] {
        assert!(said(&looked).contains(line), "{line} in\n{}", said(&looked));
    }
    let json: Value = serde_json::from_slice(&command(&service, &["--dry-run", "--json"]).stdout).unwrap();
    assert_eq!((&json["dry_run"], &json["added"]), (&json!(true), &json!(["new"])), "{json}");
    assert_eq!(client.pid().await, pid);
    assert!(Client::try_open(&service, "new").await.is_err());
    assert_eq!(service.metric(r#"mcpvisor_config_reloads_total{result="ok"}"#).await, 0.0);
    let done = command(&service, &[]);
    assert!(said(&done).contains("was reloaded"), "{}", said(&done));
    assert!(said(&command(&service, &[])).contains("unchanged"));
    assert_eq!(mark(&client).await, "2");
}

/// What every init system does to reload a service would end it.
#[tokio::test]
async fn sighup_reloads() {
    let mut service = Service::start(&marked("a", "1", "")).await;
    let client = Client::open(&service, "a").await;
    write(&service, &marked("a", "2", ""));
    service.signal(Signal::HUP);
    let reloaded = async || service.log().contains("config.reloaded").then_some(());
    eventually("it is reloaded", reloaded).await;
    assert_eq!(mark(&client).await, "2");
    assert!(service.runs());
}

/// The master of a new terminal, and the name of it.
fn terminal() -> (OwnedFd, String) {
    let flags = pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY | pty::OpenptFlags::CLOEXEC;
    let terminal = pty::openpt(flags).unwrap();
    pty::grantpt(&terminal).unwrap();
    pty::unlockpt(&terminal).unwrap();
    let name = pty::ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    (terminal, name)
}

/// A closed terminal would leave a service behind that nobody sees, and that was told to reload by it.
#[tokio::test]
async fn a_terminal_that_is_closed_ends_the_service_and_an_order_from_it_does_not() {
    let (terminal, name) = terminal();
    // Makes its standard input its terminal.
    let script = format!("exec setsid -c \"$@\" <{name}");
    let mut service = Service::start_after(&script, &marked("a", "1", ""), &[]).await;
    let client = Client::open(&service, "a").await;
    service.signal(Signal::HUP);
    let read = async || service.log().contains("config.unchanged").then_some(());
    eventually("it is read again", read).await;
    let (slow, ()) = tokio::join!(client.call("sleep", json!({ "ms": 1000 })), async {
        service.in_flight(1).await;
        drop(terminal);
    });
    assert_eq!(text_of(&slow), "slept 1000 ms", "{slow}");
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

/// `nohup mcpvisor` would end with the terminal that it was to outlive.
#[tokio::test]
async fn a_service_that_is_to_outlive_its_terminal_does() {
    let (terminal, name) = terminal();
    let script = format!("exec setsid -c nohup \"$@\" <{name}");
    let mut service = Service::start_after(&script, &marked("a", "1", ""), &[]).await;
    let client = Client::open(&service, "a").await;
    drop(terminal);
    let read = async || service.log().contains("config.unchanged").then_some(());
    eventually("it takes it for an order", read).await;
    assert_eq!(mark(&client).await, "1");
    assert!(service.runs());
}

/// Whoever wants his edits to hold at once would have to say so each time.
#[tokio::test]
async fn a_file_that_changes_is_read_where_that_is_wanted() {
    let config = |wanted: bool, mark: &str| {
        format!("[gateway]\nreload_on_change = {wanted}\n") + &marked("a", mark, "")
    };
    let service = Service::start(&config(true, "1")).await;
    let client = Client::open(&service, "a").await;
    write(&service, &config(true, "2"));
    eventually("it holds", async || (mark(&client).await == "2").then_some(())).await;
    assert!(service.log().contains("cause=\"file\""), "{}", service.log());
    write(&service, "[pool]\nnonsense = 1\n");
    let refused = async || service.log().contains("config.reload_failed").then_some(());
    eventually("the log says what is wrong", refused).await;
    assert_eq!(mark(&client).await, "2");
    // The last change that is seen by itself.
    write(&service, &config(false, "3"));
    eventually("it holds", async || (mark(&client).await == "3").then_some(())).await;
}

/// A script that reloads what does not run would believe that it has.
#[test]
fn without_a_service_the_command_fails() {
    let folder = tempfile::TempDir::new().unwrap();
    let state = folder.path().join("state");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcpvisor"));
    let output = command.args(["reload", "--state-dir", state.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

/// Who rotates a secret would have to restart the service, or to write it into the configuration.
#[tokio::test]
async fn a_value_in_a_file_of_its_own_is_read_again() {
    let folder = tempfile::TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "first-s3cret\n").unwrap();
    let config = |wanted: bool| {
        let env = format!("env = {{ MARK = \"@{}\" }}", secret.display());
        format!("[gateway]\nreload_on_change = {wanted}\n") + &backend("a", &["--fault-tools"], &env)
    };
    let service = Service::start(&config(false)).await;
    let client = Client::open(&service, "a").await;
    assert_eq!(mark(&client).await, "first-s3cret");
    fs::write(&secret, "second-s3cret\n").unwrap();
    let report = service.reload(&config(true)).await;
    assert_eq!(report["changed"][0]["keys"], json!(["env.MARK"]), "{report}");
    eventually("it holds", async || (mark(&client).await == "second-s3cret").then_some(())).await;
    fs::write(&secret, "third-s3cret").unwrap();
    eventually("it holds", async || (mark(&client).await == "third-s3cret").then_some(())).await;
    fs::remove_file(&secret).unwrap();
    let refused = async || service.log().contains("config.reload_failed").then_some(());
    eventually("the log says what is wrong", refused).await;
    assert_eq!(mark(&client).await, "third-s3cret", "what holds is kept");
    assert!(!service.log().contains("s3cret"), "{}", service.log());
}
