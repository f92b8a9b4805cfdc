//! No room for what the service writes down: its state, its log.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::common::{Client, Service, eventually, kill_9};
use crate::world::{World, config};

/// A service that serves is worth more than its notes: it would not start, or lose sessions, for want of a file.
#[tokio::test]
async fn without_room_for_its_state_it_warns_and_serves() {
    let unwritable = TempDir::new().unwrap();
    std::fs::write(unwritable.path().join("file"), "").unwrap();
    let setting = format!("gateway.state_dir={}", unwritable.path().join("file/state").display());
    serves_all_the_same(unwritable, &setting, &[], "Not a directory").await;

    // A file system of one page, which is taken, and which only the service sees.
    let full = TempDir::new().unwrap();
    let folder = full.path().join("state");
    std::fs::create_dir(&folder).unwrap();
    let setting = format!("gateway.state_dir={}", folder.display());
    let script =
        "mount -t tmpfs -o size=4k,mode=700 tmpfs \"$0\" && ! head -c 8192 /dev/zero 2>&- >\"$0/taken\"";
    let within =
        ["unshare", "-rm", "sh", "-c", &format!("{script} && exec \"$@\""), folder.to_str().unwrap()];
    let possible = Command::new(within[0]).args(&within[1..]).arg("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: a full file system (unshare -rm, mount -t tmpfs): not permitted here");
        return;
    }
    serves_all_the_same(full, &setting, &within, "No space left").await;
}

async fn serves_all_the_same(folder: TempDir, setting: &str, within: &[&str], why: &str) {
    let config = config(&[], "");
    let mut service = Service::start_without_state(folder, &config, &[setting], within).await;
    let log = service.log();
    let warned = |line: &&str| line.contains("gateway.state_dir cannot be used") && line.contains(why);
    assert!(log.lines().any(|line| warned(&line)), "it says so, and why: {log}");
    let client = Client::open(&service, "good").await;
    let marker = client.text("env", json!({ "name": "MCPVISOR_CHILD" })).await;
    service.instance = marker.split_once(':').unwrap().0.to_owned();
    assert_eq!(client.delete().await, 204);
    eventually("it is gone", async || service.connections().await.is_empty().then_some(())).await;

    let world = World::of(service).await;
    let before = world.victim.pid().await;
    let in_the_call = async || kill_9(before);
    let (answer, _) = world.during(world.call_and("sleep", json!({ "ms": 60_000 }), in_the_call)).await;
    world.lost(&answer, "signal");
    world.goes_on_without(before).await;
    world.end().await;
}

/// A full disk, or a log collector that has gone, would take the service with it.
#[tokio::test]
async fn a_log_that_cannot_be_written_harms_nothing() {
    let config = config(&[], "");
    for script in ["exec 2>/dev/full", "exec 2>&-", "mkfifo gone; : <gone & exec 2>gone; wait"] {
        let world = World::of(Service::start_after(script, &config, &[]).await).await;
        let before = world.victim.pid().await;
        let in_the_call = async || kill_9(before);
        let (answer, _) = world.during(world.call_and("sleep", json!({ "ms": 60_000 }), in_the_call)).await;
        world.lost(&answer, "signal");
        world.goes_on_without(before).await;
        world.end().await;
    }
}
