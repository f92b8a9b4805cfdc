//! The configuration of the storms: small bounds and short times, so that they are met often.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mcpvisor_config::{Config, LoadRequest, Pool, Source, Transport};

use super::script::{FAIR, MOODY, POOR, Temper};

/// `pool` of all backends.
pub(super) const POOL: Pool = Pool {
    idle_timeout: Duration::from_secs(5),
    cleanup_interval: Duration::from_secs(1),
    max_error_count: 3,
    reset_after: Duration::from_secs(3),
    cooldown: Duration::from_secs(1),
    cooldown_max: Duration::from_secs(3),
};
/// `timeouts.request`
pub(super) const REQUEST: Duration = Duration::from_secs(2);
/// `timeouts.request_max`
pub(super) const REQUEST_MAX: Duration = Duration::from_secs(5);
/// `timeouts.launch`
pub(super) const LAUNCH: Duration = Duration::from_secs(1);
/// `gateway.drain_timeout`
pub(super) const DRAIN: Duration = Duration::from_secs(3);
/// `limits.max_concurrent_launches`, but for `narrow`.
pub(super) const LAUNCHES: usize = 2;

/// Each session has a child of its own; nothing much goes wrong.
pub(super) const FRIENDLY: &str = "friendly";
/// The same; a lot goes wrong.
pub(super) const SHAKY: &str = "shaky";
/// Most launches fail.
pub(super) const BROKEN: &str = "broken";
/// One request at a time, one launch at a time, nothing is sent twice, and nobody is evicted.
pub(super) const NARROW: &str = "narrow";
/// All sessions share one child.
pub(super) const COMMON: &str = "common";

/// Sessions end with their child.
pub(super) const MAYFLY: &str = "mayfly";

pub(super) const BACKENDS: [&str; 6] = [FRIENDLY, SHAKY, BROKEN, NARROW, COMMON, MAYFLY];

/// Whatever a backend is called, pings are off: how children fail is for their scripts to say.
const SETTINGS: &str = r#"
[gateway]
drain_timeout = "3s"
[pool]
idle_timeout = "5s"
cleanup_interval = "1s"
max_error_count = 3
reset_after = "3s"
cooldown = "1s"
cooldown_max = "3s"
[backoff]
min = "40ms"
max = "300ms"
jitter = 0.0
[timeouts]
launch = "1s"
request = "2s"
request_max = "5s"
stdin_grace = "100ms"
term_grace = "100ms"
[limits]
max_in_flight = 4
max_in_flight_total = 6
max_queued = 4
max_concurrent_launches = 2
breaker_threshold = 4
max_connections = 12
[backends.friendly]
command = "scripted"
liveness = "off"
[backends.shaky]
command = "scripted"
liveness = "off"
[backends.broken]
command = "scripted"
liveness = "off"
[backends.narrow]
command = "scripted"
liveness = "off"
retry = "never"
idle = "keep"
limits.max_in_flight = 1
limits.max_queued = 2
limits.max_concurrent_launches = 1
[backends.common]
command = "scripted"
liveness = "off"
isolation = "shared"
[backends.mayfly]
command = "scripted"
liveness = "off"
on_restart = "end_session"
"#;

/// What reloads have made of the configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    commands: BTreeMap<&'static str, u64>,
    narrowed: BTreeSet<&'static str>,
    removed: BTreeSet<&'static str>,
}

impl World {
    /// 0: another command, 1: other limits, else it goes, or comes back.
    pub(super) fn change(&mut self, backend: &'static str, what: u64) {
        let toggle = |set: &mut BTreeSet<&'static str>| {
            if !set.remove(backend) {
                set.insert(backend);
            }
        };
        match what {
            0 => *self.commands.entry(backend).or_default() += 1,
            1 => toggle(&mut self.narrowed),
            _ => toggle(&mut self.removed),
        }
    }

    pub(super) fn config(&self) -> Config {
        let mut config = Config::clone(&config());
        for (name, number) in &self.commands {
            if let Some(Transport::Stdio { args, .. }) =
                config.backends.get_mut(*name).map(|backend| &mut backend.transport)
            {
                args.push(number.to_string());
            }
        }
        for name in &self.narrowed {
            if let Some(backend) = config.backends.get_mut(*name) {
                backend.limits.max_in_flight = 1;
                backend.limits.max_queued = 1;
                backend.limits.max_concurrent_launches = 1;
            }
        }
        config.backends.retain(|name, _| !self.removed.contains(&**name));
        config
    }
}

pub(super) fn temper(backend: &str) -> Temper {
    match backend {
        FRIENDLY | NARROW => FAIR,
        BROKEN => POOR,
        _ => MOODY,
    }
}

/// Read once: it takes longer than a storm.
pub(super) fn config() -> Arc<Config> {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    let load = || {
        let files = vec![Source::Text { name: "storm.toml".into(), text: SETTINGS.into() }];
        let loaded = mcpvisor_config::load(LoadRequest { files, ..LoadRequest::default() });
        Arc::new(loaded.unwrap_or_else(|errors| panic!("{errors}")).config)
    };
    CONFIG.get_or_init(load).clone()
}
