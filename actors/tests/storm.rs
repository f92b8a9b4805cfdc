//! Everything at once: crashes, kills, slow and failing starts, deletions, evictions, cancels, spares, many
//! callers of the same keys. `STORM_SEED` repeats the choices of an earlier run, if not their timing.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::*;
use mcpvisor_actors::message::{self, Envelope};
use mcpvisor_actors::{
    ConnectionKey, EndCause, Exchange, Launcher, Refusal, Route, SessionEvent, SessionRecord, SessionSink,
};
use serde_json::{Value, json};

const STORM: Duration = Duration::from_secs(12);
const WORKERS: u64 = 12;
const SESSIONS: u64 = 3;
/// `timeouts.request` is 2 s; the rest is what a loaded machine may add.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// The old incarnation's ladder, a ticket, a launch.
const ATTACH_WITHIN: Duration = Duration::from_secs(20);

const SETTINGS: &str = r#"
[gateway]
drain_timeout = "6s"
[pool]
idle_timeout = "250ms"
cleanup_interval = "100ms"
cooldown = "100ms"
cooldown_max = "200ms"
max_error_count = 4
[backoff]
min = "5ms"
max = "50ms"
[timeouts]
request = "2s"
launch = "5s"
stdin_grace = "100ms"
term_grace = "100ms"
[limits]
max_concurrent_launches = 2
max_in_flight = 4
max_queued = 8
"#;

/// splitmix64
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

struct Deaf;

impl SessionSink for Deaf {
    fn deliver(&self, _: SessionEvent) {}
}

#[derive(Clone)]
struct Sky {
    launcher: Launcher,
    backends: Arc<Vec<String>>,
    answers: Arc<AtomicU64>,
    sessions: Arc<AtomicU64>,
    closing: Arc<AtomicBool>,
}

impl Sky {
    fn key(&self, dice: &mut Dice) -> (String, String) {
        let backend = &self.backends[dice.below(self.backends.len() as u64) as usize];
        (backend.clone(), format!("s{}", dice.below(SESSIONS)))
    }

    async fn gust(&self, dice: &mut Dice) {
        let (backend, session) = self.key(dice);
        match dice.below(20) {
            0..10 => self.use_connection(&backend, &session, dice).await,
            10..13 => self.use_session(&backend, dice).await,
            13..15 => self.kill_somebody(dice).await,
            15..17 => {
                let pool = self.launcher.pool();
                within(ATTACH_WITHIN, "delete", pool.delete(&backend, &session)).await;
            }
            17 => drop(self.launcher.pool().record_error(&backend, &session).await),
            18 if dice.below(2) == 0 => {
                let pool = self.launcher.pool();
                let set = pool.set(&backend, &session, in_process());
                if let Err(refusal) = within(ATTACH_WITHIN, "set", set).await {
                    self.typed(&refusal);
                }
            }
            // Gives up at some point on the way.
            18 => {
                let open = self.launcher.get_or_launch_for_session(&backend, &session);
                let _ = tokio::time::timeout(Duration::from_micros(dice.below(20_000)), open).await;
            }
            _ => tokio::time::sleep(Duration::from_millis(dice.below(600))).await,
        }
    }

    async fn use_connection(&self, backend: &str, session: &str, dice: &mut Dice) {
        let open = self.launcher.get_or_launch_for_session(backend, session);
        let connection = match within(ATTACH_WITHIN, "attach", open).await {
            Ok(connection) => connection,
            Err(refusal) => return self.typed(&refusal),
        };
        let (tool, arguments) = tool(dice);
        let calls = (0..=dice.below(6)).map(|_| {
            let (connection, arguments) = (connection.clone(), arguments.clone());
            tokio::spawn(async move { call(&connection, tool, arguments).await })
        });
        for one in calls.collect::<Vec<_>>() {
            self.count(within(ANSWER_WITHIN, tool, one).await.unwrap().map(drop));
        }
    }

    /// A session as a front makes it: attach, some requests, some cancelled, the end.
    async fn use_session(&self, backend: &str, dice: &mut Dice) {
        let name = format!("front-{}", self.sessions.fetch_add(1, Relaxed));
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let record = SessionRecord::new("p", message::request(0, "initialize", &params));
        let route = self.launcher.route(backend, &name, record, Box::new(Deaf)).unwrap();
        match within(ATTACH_WITHIN, "initialize", route.attach()).await {
            Ok(attached) => assert!(attached.accepted),
            Err(refusal) => return self.typed(&refusal),
        }
        notify(&route, "notifications/initialized", None);
        let mut exchanges = Vec::new();
        for id in 0..dice.below(10) {
            let (tool, arguments) = tool(dice);
            let params = json!({ "name": tool, "arguments": arguments });
            let request = Envelope::parse(message::request(id, "tools/call", &params)).unwrap();
            exchanges.push(route.request(request));
            if dice.below(3) == 0 {
                notify(&route, "notifications/cancelled", Some(json!({ "requestId": dice.below(id + 1) })));
            }
        }
        let ends_early = dice.below(2) == 0;
        if ends_early {
            route.end(EndCause::Delete);
        }
        for exchange in exchanges {
            let answer = match within(ANSWER_WITHIN, "a session's request", exchange).await.unwrap() {
                Exchange::Answer(answer) => answer,
                Exchange::Stream(stream) => within(ANSWER_WITHIN, "its end", stream.answer).await.unwrap(),
            };
            self.count(answer.map(drop));
        }
        if !ends_early && dice.below(4) > 0 {
            route.end(EndCause::Delete);
        }
    }

    /// Sometimes one in reserve, or on its way to somebody.
    async fn kill_somebody(&self, dice: &mut Dice) {
        let mut pids: Vec<u32> = self.launcher.list().await.iter().filter_map(|entry| entry.pid).collect();
        if dice.below(3) == 0 {
            pids = processes(self.launcher.instance()).into_iter().map(|(pid, _)| pid as u32).collect();
        }
        let Some(pid) = pids.get(dice.below(pids.len().max(1) as u64) as usize) else { return };
        // By a descriptor: the number may belong to somebody else by now.
        let Some(pid) = rustix::process::Pid::from_raw(*pid as i32) else { return };
        let Ok(process) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else {
            return;
        };
        if incarnation_of(pid.as_raw_nonzero().get(), self.launcher.instance()).is_some() {
            let _ = rustix::process::pidfd_send_signal(&process, rustix::process::Signal::KILL);
        }
    }

    /// Nobody is refused for a bug of ours, nor without a reason.
    fn typed(&self, refusal: &Refusal) {
        assert_ne!(refusal.reason(), "panic", "{refusal}");
        assert!(!matches!(refusal, Refusal::Invalid { .. }), "{refusal}");
        let closing = self.closing.load(Relaxed);
        assert!(closing || !matches!(refusal, Refusal::ShuttingDown { .. }), "{refusal}");
    }

    fn count(&self, answer: Result<(), Refusal>) {
        if let Err(refusal) = answer {
            self.typed(&refusal);
        }
        self.answers.fetch_add(1, Relaxed);
    }
}

fn tool(dice: &mut Dice) -> (&'static str, Value) {
    match dice.below(24) {
        0 => ("crash", json!({ "code": 3 })),
        1 => ("crash_mid", json!({})),
        2 => ("close_stdout", json!({})),
        3 => ("bad_frame", json!({})),
        4 => ("silent", json!({})),
        5..9 => ("sleep", json!({ "ms": dice.below(400) })),
        9 => ("big", json!({ "bytes": 200_000 })),
        _ => ("echo", json!({ "message": "x" })),
    }
}

fn notify(route: &Route, method: &str, params: Option<Value>) {
    route.notify(Envelope::parse(message::notification(method, params)).unwrap());
}

async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| panic!("{what}: nothing within {limit:?}"))
}

/// Looks for two incarnations of one key that live at the same time, until aborted.
async fn watch(launcher: Launcher) {
    let mut keys: HashMap<u64, ConnectionKey> = HashMap::new();
    loop {
        for entry in launcher.list().await {
            keys.insert(entry.incarnation, entry.key);
        }
        let instance = launcher.instance().to_owned();
        let alive = tokio::task::spawn_blocking(move || processes(&instance)).await.unwrap();
        let mut seen: HashMap<&ConnectionKey, (i32, u64)> = HashMap::new();
        for (pid, incarnation) in alive {
            let Some(key) = keys.get(&incarnation) else { continue };
            let (other, before) = *seen.entry(key).or_insert((pid, incarnation));
            // One may have followed the other during the look; both still there is two at once.
            let instance = launcher.instance();
            let both = incarnation_of(other, instance) == Some(before)
                && incarnation_of(pid, instance) == Some(incarnation);
            assert!(before == incarnation || !both, "{key}: {before} ({other}) and {incarnation} ({pid})");
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

fn backends(starts: &str) -> Vec<(&'static str, Vec<&str>, &'static str)> {
    let flaky = vec!["--fault-tools", "--die-in-initialize", "--only-first", "6", "--count-starts", starts];
    vec![
        ("steady", vec!["--fault-tools"], ""),
        ("slow", vec!["--fault-tools", "--slow-start", "150"], "warm = 2\nwarm_max_age = \"1s\""),
        ("stubborn", vec!["--fault-tools", "--ignore-eof", "--ignore-term"], "warm = 1"),
        ("brood", vec!["--fault-tools", "--grandchild", "--grandchild-setsid"], "warm = 1"),
        ("flaky", flaky, "warm = 2"),
        ("fleeting", vec!["--fault-tools", "--exit-after", "3"], ""),
    ]
}

/// A user would be left without an answer, share a key with a second server, or find servers left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_loses_no_request_and_leaves_no_process() {
    #[expect(clippy::disallowed_methods, reason = "another seed for each run")]
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = std::env::var("STORM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(time.as_nanos() as u64);
    println!("STORM_SEED={seed}");
    let starts = tempfile::NamedTempFile::new().unwrap();
    let backends = backends(starts.path().to_str().unwrap());
    let sections: String = backends.iter().map(|(name, flags, more)| backend(name, flags, more)).collect();
    let launcher = launcher(&format!("{SETTINGS}\n{sections}")).await;
    let sky = Sky {
        launcher: launcher.clone(),
        backends: Arc::new(backends.iter().map(|(name, ..)| (*name).to_owned()).collect()),
        answers: Arc::default(),
        sessions: Arc::default(),
        closing: Arc::default(),
    };
    let watching = tokio::spawn(watch(launcher.clone()));
    let until = Instant::now() + STORM;
    let workers = (0..WORKERS).map(|number| {
        let sky = sky.clone();
        tokio::spawn(async move {
            let mut dice = Dice(seed ^ number.wrapping_mul(0xa076_1d64_78bd_642f));
            while Instant::now() < until {
                sky.gust(&mut dice).await;
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    tokio::time::sleep(STORM - Duration::from_secs(1)).await;
    assert!(!watching.is_finished(), "{:?}", watching.await);
    watching.abort();
    // In the middle of it: the last second meets a service that drains.
    sky.closing.store(true, Relaxed);
    launcher.close().await;
    assert_eq!(processes(launcher.instance()), [], "left behind");
    assert!(launcher.list().await.is_empty(), "{:?}", launcher.list().await);
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(processes(launcher.instance()), [], "started after the end");
    println!("{} answers, {} sessions", sky.answers.load(Relaxed), sky.sessions.load(Relaxed));
}
