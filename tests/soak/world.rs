//! The service under test, with servers of every kind behind it, and times so short that things come and go.

use std::time::{Duration, Instant};

use crate::common::{
    Client, Footprint, PATIENCE, Service, backend, eventually, eventually_or, marked, zombies_of,
};

/// A session that nobody used for so long may be gone.
pub const TTL: Duration = Duration::from_secs(3);

const SETTINGS: &str = r#"
[session]
ttl = "3s"
[pool]
idle_timeout = "1s"
cleanup_interval = "300ms"
max_error_count = 4
cooldown = "300ms"
cooldown_max = "1s"
[backoff]
min = "20ms"
max = "300ms"
[timeouts]
launch = "5s"
request = "3s"
stdin_grace = "200ms"
term_grace = "200ms"
write = "2s"
heartbeat = "300ms"
missed_pings = 2
[limits]
max_in_flight = 4
max_queued = 8
breaker_threshold = 1000000
"#;

/// A server behind the service.
pub struct Backend {
    pub name: &'static str,
    /// Of the misbehaving fixture; `None`: rmcp's server, over HTTP.
    flags: Option<&'static [&'static str]>,
    settings: &'static str,
}

/// Every kind there is.
pub const BACKENDS: &[Backend] = &[
    Backend { name: "polite", flags: Some(&[]), settings: "" },
    Backend { name: "crashing", flags: Some(&["--crash-tool", "--exit-after", "9"]), settings: "" },
    Backend { name: "slow", flags: Some(&["--slow-start", "300", "--slow", "20"]), settings: "" },
    Backend { name: "stubborn", flags: Some(&["--ignore-eof", "--ignore-term"]), settings: "" },
    Backend {
        name: "brood",
        flags: Some(&["--grandchild", "--grandchild-setsid", "--ignore-term", "--crash-tool"]),
        settings: "",
    },
    Backend { name: "loud", flags: Some(&["--garbage"]), settings: "" },
    Backend { name: "hangs", flags: Some(&["--hang-initialize"]), settings: "timeouts.launch = \"400ms\"" },
    Backend { name: "shared", flags: Some(&["--crash-tool"]), settings: "isolation = \"shared\"" },
    Backend { name: "ends", flags: Some(&["--crash-tool"]), settings: END_SESSION },
    Backend { name: "warm", flags: Some(&["--slow-start", "300"]), settings: WARM },
    Backend { name: "upstream", flags: None, settings: "" },
];

/// Replaced so seldom that helping threads can rest in between.
const WARM: &str = "warm = 1\nwarm_max_age = \"20s\"";
/// What is in reserve, and stays when nobody is there.
const SPARES: usize = 1;

const END_SESSION: &str = "on_restart = \"end_session\"";

impl Backend {
    /// Whether it is a process of the service's.
    pub fn is_child(&self) -> bool {
        self.flags.is_some()
    }

    /// Whether a session ends with its server, and not only when nobody used it.
    pub fn ends_sessions(&self) -> bool {
        self.settings == END_SESSION
    }

    /// Whether it can be told to crash.
    pub fn crashes(&self) -> bool {
        self.flags.is_some_and(|flags| flags.contains(&"--crash-tool"))
    }
}

/// All of them, in one file.
pub fn config(upstream: &str) -> String {
    let sections = BACKENDS.iter().map(|Backend { name, flags, settings }| match flags {
        Some(flags) => backend(name, flags, settings),
        None => format!("[backends.{name}]\nurl = {upstream:?}\n{settings}\n"),
    });
    [SETTINGS.to_owned()].into_iter().chain(sections).collect()
}

/// Waits until everything that was left has expired: no session, no connection, no open stream, and no process
/// but those in reserve.
pub async fn settled(service: &Service) {
    let nothing = async || {
        let left = service.connections().await;
        // A key that was stopped at its limit stays to be seen. It goes as any other once it was used again.
        for stopped in left.iter().filter(|one| one["phase"] == "stopped") {
            if let Ok(client) = Client::try_open(service, stopped["backend"].as_str().unwrap()).await {
                client.delete().await;
            }
        }
        if left.is_empty() { Ok(()) } else { Err(format!("no connection is left: {left:#?}")) }
    };
    eventually_or(nothing).await;
    for gauge in GAUGES {
        let zero = async || (sum(&service.metrics().await, gauge) == 0.0).then_some(());
        eventually(gauge, zero).await;
    }
    let reserve = async || (marked(&service.instance).len() == SPARES).then_some(());
    eventually("only what is in reserve is left", reserve).await;
    eventually("no zombie is left", async || zombies_of(service.pid()).is_empty().then_some(())).await;
}

/// Waits until file descriptors and threads are where they were. Nothing is asked meanwhile: to answer, the service
/// would keep threads that only help out for a moment.
pub async fn back_at(service: &Service, start: Footprint) -> Footprint {
    let asked = Instant::now();
    loop {
        let held = Footprint::of(service.pid()).unwrap();
        if held.files <= start.files && held.threads <= start.threads {
            return held;
        }
        assert!(asked.elapsed() < PATIENCE, "at the start {start:?}, at the end {held:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What falls back to zero.
const GAUGES: [&str; 3] = ["mcpvisor_sessions", "mcpvisor_connections", "mcpvisor_streams_open"];

/// All series of a metric together.
pub fn sum(page: &str, name: &str) -> f64 {
    let series = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with([' ', '{']) {
            return None;
        }
        rest.rsplit_once(' ')?.1.parse::<f64>().ok()
    });
    series.sum()
}

/// Actors that failed, or what only a bug makes it say.
pub async fn no_bug_of_ours(service: &Service) {
    assert_eq!(sum(&service.metrics().await, "mcpvisor_supervisor_restarts_total"), 0.0);
    let log = service.log();
    let telling = |line: &&str| line.contains("panicked") || line.contains("please report");
    let bugs: Vec<&str> = log.lines().filter(telling).take(5).collect();
    assert_eq!(bugs, [] as [&str; 0]);
}
