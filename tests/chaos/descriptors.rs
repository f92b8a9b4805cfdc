//! No file descriptors left.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::common::{Ask, Client, Service, carrying, code, eventually, kill_9, open_files, reason, text_of};
use crate::world::{World, config};

const LIMIT: usize = 128;

async fn world(flags: &[&str]) -> World {
    let config = config(&[&["--ignore-term", "--ignore-eof"], flags].concat(), "");
    World::of(Service::start_after(&format!("ulimit -n {LIMIT}"), &config, &[]).await).await
}

/// A session, or what its client is told instead.
async fn try_to_open(service: &Service) -> Result<Client, (u16, Value)> {
    let initialize = Client::initialize("2025-11-25", json!({})).to_string();
    let reply = Ask::mcp("/mcp/bad", initialize).send(&service.main).await;
    match reply.header("mcp-session-id").map(str::to_owned) {
        Some(session) => {
            let client = Client::of(service, "bad", session);
            client.notify("notifications/initialized", json!({})).await;
            Ok(client)
        }
        None => Err((reply.status, reply.json().await)),
    }
}

async fn open_until_refused(service: &Service) -> (Vec<Client>, (u16, Value)) {
    let mut opened = Vec::new();
    loop {
        match try_to_open(service).await {
            Ok(client) => opened.push(client),
            Err(refused) => return (opened, refused),
        }
        assert!(opened.len() < LIMIT, "there is no limit");
    }
}

/// One user too many would take the service from all of them, or leave processes that nobody can find any more.
#[tokio::test]
async fn sessions_that_find_no_descriptors_are_refused_and_the_others_go_on() {
    let world = world(&["--grandchild-setsid"]).await;
    let service = &world.service;
    let (mut opened, (status, refused)) = world.during(open_until_refused(service)).await;
    println!("{} sessions, {} descriptors, then {refused}", opened.len() + 3, open_files(service.pid()));
    assert!(opened.len() > 10, "{refused}");
    assert_eq!((status, code(&refused), reason(&refused)), (200, -31006, "spawn"), "{refused}");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("Too many open files"), "{message}");

    // All who have a server keep it, and get another when it dies.
    for client in &opened {
        assert_eq!(client.text("counter", json!({})).await, "1");
    }
    let before = world.victim.pid().await;
    let in_the_call = async || kill_9(before);
    let (answer, _) = world.during(world.call_and("sleep", json!({ "ms": 60_000 }), in_the_call)).await;
    world.lost(&answer, "signal");
    for path in ["/livez", "/readyz"] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    assert!(service.metrics().await.contains("mcpvisor_sessions"));

    // Where some go, others can come.
    for client in opened.drain(..5) {
        assert_eq!(client.delete().await, 204);
    }
    let again = async || try_to_open(service).await.ok();
    let newcomer = world.during(eventually("there is room again", again)).await;
    assert_eq!(newcomer.text("counter", json!({})).await, "1");
    opened.push(newcomer);
    let works = async || (code(&world.victim.call("counter", json!({})).await) == 0).then_some(());
    world.during(eventually("the one whose server died has another", works)).await;
    for client in opened {
        assert_eq!(client.delete().await, 204);
    }
    world.end().await;
}

/// Clients that connect and say nothing would end the service, or keep it from ending what a server leaves behind.
#[tokio::test]
async fn connections_without_end_neither_end_the_service_nor_blind_it() {
    // Far more processes leave the group than there are descriptors to end them with.
    let world = world(&["--fork-tree", "5"]).await;
    let service = &world.service;
    let before = world.victim.pid().await;
    let marker = world.victim.text("env", json!({ "name": "MCPVISOR_CHILD" })).await;
    let grown = async || (carrying(&marker).len() == 54).then_some(());
    eventually("the tree has grown", grown).await;
    let mut silent = Vec::new();
    for _ in 0..LIMIT {
        silent.push(TcpStream::connect(&service.main).await.unwrap());
    }
    let used = async || (open_files(service.pid()) > LIMIT * 9 / 10).then_some(());
    eventually("its descriptors are used up", used).await;

    let (used, start) = (cpu_time(service.pid()), Instant::now());
    kill_9(before);
    let gone = async || carrying(&marker).is_empty().then_some(());
    eventually("what it had put out of its group ends", gone).await;
    // They say nothing to the end; in time there is room for others all the same.
    let room = async || (open_files(service.pid()) < LIMIT * 3 / 4).then_some(());
    eventually("those who only sit there are sent away", room).await;
    assert_eq!(world.during(service.get("/livez")).await.status, 200);
    let lives = async || {
        let answer = world.victim.call("counter", json!({})).await;
        (code(&answer) == 0).then(|| text_of(&answer))
    };
    assert_eq!(world.during(eventually("the session has another server", lives)).await, "1");
    let share = (cpu_time(service.pid()) - used).as_secs_f64() / start.elapsed().as_secs_f64();
    println!("processor time used: {share:.2} of one core");
    assert!(share < 0.5, "it spins: {share}");
    drop(silent);
    world.end().await;
}

fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let times = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    // In hundredths of a second.
    Duration::from_millis(times.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}
