//! A program that can no longer be run: an upgrade in the middle, a virtual environment that was deleted.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::common::{self, Ask, Client, Service, code, eventually, fixture, kill_9, reason};
use crate::world::{PROMPT, World, config};

const COOLDOWN: Duration = Duration::from_secs(3);

/// How a program can be broken, and what its users and its operator are told.
const WAYS: [(&str, &str); 3] =
    [("missing", "not found"), ("not executable", "permission denied"), ("no interpreter", "interpreter")];

/// A server whose program is gone would be started for ever, or never again.
#[tokio::test]
async fn a_program_that_vanishes_stops_its_sessions_until_it_is_back() {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("server");
    put_back(&program);
    let command = format!("command = {:?}", fixture().to_str().unwrap());
    let linked = format!("command = {:?}", program.to_str().unwrap());
    let config = config(&[], "pool.cooldown = \"3s\"\npool.cooldown_max = \"3s\"\n");
    let config = config.replacen(&command, &linked, 1); // of the first backend, which is the bad one
    let world = World::of(Service::start_in(folder, &config, &[]).await).await;

    for (number, (way, part)) in (1..).zip(WAYS) {
        let before = world.victim.pid().await;
        break_it(&program, way);
        let killed = Instant::now();
        let in_the_call = async || kill_9(before);
        let call = world.call_and("sleep", json!({ "ms": 60_000 }), in_the_call);
        let (answer, waited) = world.during(call).await;
        assert!(waited < PROMPT, "{way}: told only after {waited:?}");
        assert_eq!((code(&answer), reason(&answer)), (-31001, "signal"), "{way}: {answer}");

        // A new session is refused with the cause, and makes no session.
        let initialize = Client::initialize("2025-11-25", json!({})).to_string();
        let reply = world.during(Ask::mcp("/mcp/bad", initialize).send(&world.service.main)).await;
        assert_eq!((reply.status, reply.header("mcp-session-id")), (200, None), "{way}");
        let answer = reply.json().await;
        assert_eq!((code(&answer), reason(&answer)), (-31006, "spawn"), "{way}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.to_lowercase().contains(part) && message.contains("server"), "{way}: {message}");

        // The old one is refused at once, is told when to come again, and is not started again and again.
        let stopped = async || (world.connection().await["phase"] == "stopped").then_some(());
        eventually("its connection is stopped", stopped).await;
        let answer = world.during(world.victim.call("counter", json!({}))).await;
        if killed.elapsed() < COOLDOWN {
            assert_eq!((code(&answer), reason(&answer)), (-31002, "stopped"), "{way}: {answer}");
            let wait = answer["error"]["data"]["retry_after_ms"].as_u64().unwrap();
            assert!((1..=COOLDOWN.as_millis()).contains(&wait.into()), "{way}: {answer}");
            let stops = world.service.metric(r#"mcpvisor_fatal_stops_total{backend="bad"}"#).await;
            assert_eq!(stops, f64::from(number), "{way}");
        }

        put_back(&program);
        let works = async || {
            let answer = world.victim.call("counter", json!({})).await;
            (code(&answer) == 0).then(|| common::text_of(&answer))
        };
        assert_eq!(world.during(eventually("it works again", works)).await, "1", "{way}");
    }
    world.end().await;
}

fn break_it(program: &Path, way: &str) {
    fs::remove_file(program).unwrap();
    match way {
        "missing" => {}
        "not executable" => fs::write(program, "#!/bin/sh\n").unwrap(),
        _ => {
            fs::write(program, "#!/no/such/interpreter\n").unwrap();
            fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

fn put_back(program: &Path) {
    let _ = fs::remove_file(program);
    symlink(fixture(), program).unwrap();
}
