//! Numbers and durations: what must not be zero, and what must not exceed what.

use std::time::Duration;

use super::Checks;
use crate::key_path::KeyPath;
use crate::{Backoff, Config, Http, Limits, Pool, Timeouts};

/// Each is a thread with its stack.
const MOST_WORKERS: usize = 1024;
/// What the HTTP server buffers of a connection before anybody looks at it.
const LARGEST_HEAD: usize = 384 << 10;

/// Longer is more than waking any core costs.
const LONGEST_BUSY_POLL: Duration = Duration::from_millis(10);

impl Checks<'_> {
    pub(super) fn numbers(&mut self, config: &Config) {
        let top = KeyPath::default();
        self.not_zero(
            &top.key("session"),
            &[("ttl", config.session.ttl.is_zero()), ("parked_ttl", config.session.parked_ttl.is_zero())],
        );
        if config.gateway.workers > MOST_WORKERS {
            let hint = format!("0 chooses from the cores; at most {MOST_WORKERS}");
            self.fault(
                &KeyPath::of(&["gateway", "workers"]),
                &[],
                "more threads than any machine can use",
                hint,
            );
        }
        if config.gateway.busy_poll > LONGEST_BUSY_POLL {
            let hint = format!(
                "at most {}; \"0s\" switches it off",
                crate::units::write_duration(LONGEST_BUSY_POLL)
            );
            self.fault(
                &KeyPath::of(&["gateway", "busy_poll"]),
                &[],
                "so long that a core with a little traffic never sleeps",
                hint,
            );
        }
        self.pool(&config.pool, &top);
        self.backoff(&config.backoff, &top);
        self.timeouts(&config.timeouts, &top);
        self.limits(&config.limits, &top);
        self.http(&config.http, &top);
        for (name, backend) in &config.backends {
            let at = KeyPath::of(&["backends", name]);
            // A section that is not overridden has been checked above.
            let overridden = |section: &str| (self.user_set)(&at.key(section));
            let (pool, backoff) = (overridden("pool"), overridden("backoff"));
            let (timeouts, limits) = (overridden("timeouts"), overridden("limits"));
            if pool {
                self.pool(&backend.pool, &at);
            }
            if backoff {
                self.backoff(&backend.backoff, &at);
            }
            if timeouts {
                self.timeouts(&backend.timeouts, &at);
            }
            if limits {
                self.limits(&backend.limits, &at);
                self.within_all(&backend.limits, &config.limits, &at);
            }
        }
    }

    fn pool(&mut self, pool: &Pool, above: &KeyPath) {
        let at = above.key("pool");
        self.not_zero(
            &at,
            &[
                ("idle_timeout", pool.idle_timeout.is_zero()),
                ("cleanup_interval", pool.cleanup_interval.is_zero()),
            ],
        );
        self.in_order(&at, ("cooldown", pool.cooldown), ("cooldown_max", pool.cooldown_max));
    }

    fn backoff(&mut self, backoff: &Backoff, above: &KeyPath) {
        let at = above.key("backoff");
        self.not_zero(&at, &[("min", backoff.min.is_zero())]);
        self.in_order(&at, ("min", backoff.min), ("max", backoff.max));
    }

    fn timeouts(&mut self, timeouts: &Timeouts, above: &KeyPath) {
        let at = above.key("timeouts");
        self.not_zero(
            &at,
            &[
                ("launch", timeouts.launch.is_zero()),
                ("request", timeouts.request.is_zero()),
                ("heartbeat", timeouts.heartbeat.is_zero()),
                ("missed_pings", timeouts.missed_pings == 0),
                ("write", timeouts.write.is_zero()),
                ("probe", timeouts.probe.is_zero()),
                ("sse_keepalive", timeouts.sse_keepalive.is_zero()),
            ],
        );
        self.in_order(&at, ("request", timeouts.request), ("request_max", timeouts.request_max));
    }

    fn limits(&mut self, limits: &Limits, above: &KeyPath) {
        self.not_zero(
            &above.key("limits"),
            &[
                ("max_sessions", limits.max_sessions == 0),
                ("max_connections", limits.max_connections == 0),
                ("max_in_flight", limits.max_in_flight == 0),
                ("max_in_flight_total", limits.max_in_flight_total == 0),
                ("max_concurrent_launches", limits.max_concurrent_launches == 0),
                ("breaker_threshold", limits.breaker_threshold == 0),
                ("max_message_bytes", limits.max_message_bytes == 0),
                ("max_body_bytes", limits.max_body_bytes == 0),
            ],
        );
    }

    /// One backend cannot have more than all together.
    fn within_all(&mut self, own: &Limits, all: &Limits, above: &KeyPath) {
        let (here, general) = (above.key("limits"), KeyPath::of(&["limits"]));
        for (key, own, all) in [
            ("max_sessions", own.max_sessions, all.max_sessions),
            ("max_connections", own.max_connections, all.max_connections),
        ] {
            if own > all {
                let what = format!("{own} for one backend, where all together may have {all}");
                self.fault(&here.key(key), &[&general.key(key)], what, format!("raise limits.{key} as well"));
            }
        }
    }

    fn http(&mut self, http: &Http, above: &KeyPath) {
        let at = above.key("http");
        self.not_zero(
            &at,
            &[
                ("max_tcp_connections", http.max_tcp_connections == 0),
                ("max_headers", http.max_headers == 0),
                ("max_header_bytes", http.max_header_bytes == 0),
                ("header_timeout", http.header_timeout.is_zero()),
                ("body_timeout", http.body_timeout.is_zero()),
                ("keep_alive", http.keep_alive.is_zero()),
            ],
        );
        if http.max_header_bytes > LARGEST_HEAD {
            let hint = format!("at most {}", crate::units::write_size(LARGEST_HEAD));
            self.fault(&at.key("max_header_bytes"), &[], "more than is read of a head", hint);
        }
    }

    fn not_zero(&mut self, section: &KeyPath, values: &[(&str, bool)]) {
        for (key, _) in values.iter().filter(|(_, is_zero)| *is_zero) {
            self.fault(
                &section.key(key),
                &[],
                "must not be zero",
                format!("the default is {}", default_of(section, key)),
            );
        }
    }

    fn in_order(
        &mut self,
        section: &KeyPath,
        (low_key, low): (&str, Duration),
        (high_key, high): (&str, Duration),
    ) {
        if low <= high {
            return;
        }
        let (low_at, high_at) = (section.key(low_key), section.key(high_key));
        // The one the user set is the one to look at.
        let (at, other) = if (self.user_set)(&low_at) { (&low_at, &high_at) } else { (&high_at, &low_at) };
        let what = format!(
            "{low_key} ({}) is longer than {high_key} ({})",
            crate::units::write_duration(low),
            crate::units::write_duration(high)
        );
        self.fault(at, &[other], what, format!("raise {high_key} or lower {low_key}"));
    }
}

/// The default as `default.toml` has it.
fn default_of(section: &KeyPath, key: &str) -> String {
    let section =
        section.keys().and_then(|keys| keys.last().map(|name| (*name).to_owned())).unwrap_or_default();
    let document = toml_edit::ImDocument::parse(crate::DEFAULT_TOML).ok();
    let value = document.as_ref().and_then(|document| document.get(&section)?.get(key)?.as_value());
    value.map(|value| value.to_string().trim().to_owned()).unwrap_or_default()
}
