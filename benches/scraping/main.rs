//! How long Prometheus waits for `/metrics` of a service that has many connections.
//!
//! The connections are real (a Supervisor, a Connection, a link each); their servers run in this process, so that ten thousand
//! fit on a small machine. The page is asked for over HTTP, by a thread outside the service's runtime.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench that cannot go on fails")]

mod scrape;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use mcpvisor::admin::{Admin, EventLog};
use mcpvisor::app::reload::Reloads;
use mcpvisor::telemetry::log::{self, LogLevel};
use mcpvisor::telemetry::recorder;
use mcpvisor::tls::Tls;
use mcpvisor_actors::{CancellationToken, Launcher, Phase};
use mcpvisor_config::{Config, LoadRequest, Source, load};
use tokio::net::TcpListener;

use scrape::{Scrapes, scrapes};

/// Connections, and how long the slowest scrape may take with so many.
const ROUNDS: [(usize, Duration); 2] =
    [(1_000, Duration::from_millis(50)), (10_000, Duration::from_millis(300))];

/// In a debug build it is only seen that it works.
const DEBUG_CONNECTIONS: usize = 100;
const BACKENDS: usize = 10;
const SCRAPES: usize = 30;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--help") {
        println!(
            "benches/scrape: times /metrics with 1,000 and 10,000 connections; fails above 50 and 300 ms"
        );
        return ExitCode::SUCCESS;
    }
    let metrics = recorder::install().unwrap_or_else(|_| panic!("the first recorder"));
    let log = log::install(&config().telemetry).unwrap_or_else(|failure| panic!("{failure}"));
    // As the service on two cores: one worker.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rounds =
        if cfg!(debug_assertions) { vec![(DEBUG_CONNECTIONS, Duration::MAX)] } else { ROUNDS.into() };
    println!(
        "{:>11}  {:>9}  {:>8}  {:>9}  {:>9}  {:>9}",
        "connections", "lines", "KiB", "p50", "max", "limit"
    );
    let mut slow = false;
    for (connections, limit) in rounds {
        let seen = runtime.block_on(round(connections, metrics.clone(), log.level.clone()));
        let Scrapes { lines, bytes, p50, max } = seen;
        println!(
            "{connections:>11}  {lines:>9}  {:>8}  {p50:>9.1?}  {max:>9.1?}  {limit:>9.0?}",
            bytes / 1024
        );
        slow |= max > limit;
    }
    if slow {
        eprintln!("slower than promised");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn round(connections: usize, metrics: recorder::Metrics, level: LogLevel) -> Scrapes {
    let launcher = Launcher::new(config(), CancellationToken::new()).await.unwrap();
    for number in 0..connections {
        let backend = format!("b{}", number % BACKENDS);
        launcher.pool().set(&backend, &number.to_string(), server::transport()).await.unwrap();
    }
    let ready = async || {
        let known = launcher.list().await;
        known.iter().filter(|one| one.phase == Phase::Ready).count() == connections
    };
    while !ready().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for one in launcher.list().await {
        one.connection.request("ping", &serde_json::json!({})).await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let (reloads, _orders) = Reloads::new();
    let events = EventLog::start(launcher.events(), launcher.instance());
    let admin = Admin::new(launcher.clone(), metrics, reloads, events, level, stop.clone());
    let serving = tokio::spawn(admin.serve(listener, Tls::default()));
    let seen = tokio::task::spawn_blocking(move || scrapes(address, SCRAPES)).await.unwrap();
    stop.cancel();
    serving.await.unwrap();
    launcher.close().await;
    seen
}

fn config() -> Config {
    let backends = (0..BACKENDS).map(|number| format!("[backends.b{number}]\ncommand = \"/nowhere\"\n"));
    let text = format!(
        "[telemetry]\nlog_level = \"error\"\n[limits]\nmax_connections = 20000\n{}",
        backends.collect::<String>()
    );
    let file = Source::Text { name: "bench.toml".into(), text };
    load(LoadRequest { files: vec![file], ..Default::default() }).unwrap().config
}
