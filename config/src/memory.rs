//! What all buffers together may take, at most: every bound reached at once, by clients and servers that mean no good. Pure.

use crate::{Backend, Config, Isolation};

/// What the HTTP server reads ahead of one connection, and what waits there to be written.
const HTTP_BUFFERS: u64 = 2 * (8192 + 4096 * 100);
/// What waits of one stream for a client that does not read, and of one request before its answer.
const STREAM: u64 = 8 << 20;
/// Large answers, each as long as may be, that a session may leave unfetched.
const UNFETCHED: u64 = 4;
/// Streams of a session that are kept for a client that comes back: the standalone one, and those that have ended.
const KEPT_STREAMS: u64 = 1 + 16;
/// Of the standard error of a server, this one's and the last one's.
const STDERR: u64 = 2 * (64 << 10);

/// One kind of buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffer {
    /// What is in it.
    pub what: &'static str,
    /// How many there may be.
    pub count: u64,
    /// Bytes of each.
    pub each: u64,
    /// The settings that bound it.
    pub settings: &'static str,
}

impl Buffer {
    /// Bytes of all of them.
    pub fn total(&self) -> u64 {
        self.count.saturating_mul(self.each)
    }
}

/// Every kind of buffer whose size depends on what others send. What the processes of servers take is not ours, and
/// not in it.
pub fn buffers(config: &Config) -> Vec<Buffer> {
    let most = |of: fn(&Backend) -> usize| {
        let served = config.backends.values().filter(|backend| !backend.disabled);
        served.map(of).max().unwrap_or_default() as u64
    };
    let body = most(|backend| backend.limits.max_body_bytes).max(config.limits.max_body_bytes as u64);
    let message =
        most(|backend| backend.limits.max_message_bytes).max(config.limits.max_message_bytes as u64);
    let replay = most(|backend| backend.limits.replay_bytes).max(config.limits.replay_bytes as u64);
    let tcp = config.http.max_tcp_connections as u64;
    let (sessions, connections) = (config.limits.max_sessions as u64, config.limits.max_connections as u64);
    let requests = requests(config, most(|backend| backend.limits.max_in_flight + backend.limits.max_queued));
    let in_flight = most(|backend| match backend.isolation {
        Isolation::Session => backend.limits.max_in_flight,
        _ => backend.limits.max_in_flight_total,
    });
    let answers = requests.min(connections.saturating_mul(in_flight));
    let streams = match config.http.max_streams as u64 {
        0 => tcp,
        most => most.min(tcp),
    };
    let buffer = |what, count, each, settings| Buffer { what, count, each, settings };
    vec![
        buffer("client connections, both listeners", 2 * tcp, HTTP_BUFFERS, "http.max_tcp_connections"),
        buffer("bodies being read", tcp, body, "http.max_tcp_connections, limits.max_body_bytes"),
        buffer(
            "requests in flight and waiting",
            requests,
            body,
            "http.max_requests, or limits.max_sessions, max_in_flight, max_queued; limits.max_body_bytes",
        ),
        buffer(
            "their answers, and what precedes these",
            answers,
            message.saturating_add(STREAM),
            "the same, limits.max_connections, limits.max_message_bytes",
        ),
        buffer(
            "answers that clients have not fetched",
            sessions,
            message.saturating_mul(UNFETCHED),
            "limits.max_sessions, limits.max_message_bytes",
        ),
        buffer("open streams that nobody reads", streams, STREAM, "http.max_streams or max_tcp_connections"),
        buffer(
            "streams kept for clients that come back",
            sessions.saturating_mul(KEPT_STREAMS),
            replay.max(1),
            "limits.max_sessions, limits.replay_bytes",
        ),
        buffer(
            "connections to backends, both ways",
            connections,
            message.saturating_mul(2).saturating_add(STDERR),
            "limits.max_connections, limits.max_message_bytes",
        ),
    ]
}

/// Of all sessions, and one of each connection of a client that has none.
fn requests(config: &Config, of_one: u64) -> u64 {
    let general = (config.limits.max_in_flight + config.limits.max_queued) as u64;
    let served = config.backends.values().filter(|backend| !backend.disabled).count() as u64;
    let several = config.gateway.unified || !config.groups.is_empty();
    let each = if several { of_one.max(general.saturating_mul(served)) } else { of_one };
    let sessions = (config.limits.max_sessions as u64).saturating_mul(each);
    let all = sessions.saturating_add(config.http.max_tcp_connections as u64);
    match config.http.max_requests as u64 {
        0 => all,
        most => most.min(all),
    }
}

/// The same as lines of text, the largest first, and their sum.
pub fn memory_report(config: &Config) -> String {
    let mut buffers = buffers(config);
    buffers.sort_by_key(|buffer| std::cmp::Reverse(buffer.total()));
    let sum = buffers.iter().fold(0, |sum: u64, buffer| sum.saturating_add(buffer.total()));
    let mut text = format!(
        "At most {} of buffers, if every limit were reached at once by clients and servers that mean no good:\n",
        readable(sum)
    );
    for buffer in &buffers {
        let (total, each) = (readable(buffer.total()), readable(buffer.each));
        text += &format!("{total:>10}  {}: {} x {each} ({})\n", buffer.what, buffer.count, buffer.settings);
    }
    text
}

/// For people: three digits, and the unit in which they say most.
fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(value < 10.0 && unit > 0);
    format!("{value:.decimals$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LoadRequest, Source, load};

    fn config(settings: &str) -> Config {
        let text = format!("{settings}\n[backends.a]\ncommand = \"x\"\n[backends.b]\ncommand = \"x\"\n");
        let file = Source::Text { name: "t.toml".into(), text };
        load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap().config
    }

    fn sum(settings: &str) -> u64 {
        buffers(&config(settings)).iter().map(Buffer::total).sum()
    }

    const SMALL: &str = "[limits]\nmax_sessions = 10\nmax_connections = 10\nmax_in_flight = 2\nmax_queued = 1\n\
         max_message_bytes = \"1MiB\"\nmax_body_bytes = \"64KiB\"\nreplay_bytes = \"64KiB\"\n\
         [http]\nmax_tcp_connections = 10\n";

    #[test]
    fn the_sum_is_what_the_settings_make_it() {
        let found = buffers(&config(SMALL));
        let of = |what: &str| found.iter().find(|buffer| buffer.what.starts_with(what)).unwrap().clone();
        assert_eq!((of("bodies").count, of("bodies").each), (10, 64 << 10));
        // Ten sessions at /mcp with three requests for each of two backends, and ten clients without one.
        assert_eq!(of("requests").count, 70);
        assert_eq!((of("their answers").count, of("their answers").each), (20, 9 << 20));
        assert_eq!(of("answers that").total(), 40 << 20);
        assert_eq!((of("open streams").count, of("streams kept").count), (10, 170));
        assert!(sum(SMALL) < 400 << 20, "{}", memory_report(&config(SMALL)));
    }

    /// A setting that bounds a buffer would change nothing in the sum, and nobody would know what to lower.
    #[test]
    fn every_setting_that_is_named_makes_it_smaller() {
        let whole = sum(SMALL);
        for (key, less) in [
            ("max_sessions", "5"),
            ("max_connections", "5"),
            ("max_in_flight", "1"),
            ("max_queued", "0"),
            ("max_message_bytes", "\"512KiB\""),
            ("max_body_bytes", "\"32KiB\""),
            ("replay_bytes", "\"32KiB\""),
            ("max_tcp_connections", "5"),
        ] {
            let line = SMALL.lines().find(|line| line.trim().starts_with(&format!("{key} ="))).unwrap();
            let smaller = SMALL.replace(line, &format!("{key} = {less}"));
            assert!(sum(&smaller) < whole, "{key}");
        }
        assert!(sum(&format!("{SMALL}max_requests = 5\n")) < whole);
        assert!(sum(&format!("{SMALL}max_streams = 5\n")) < whole);
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 << 20, "64 MiB"), (5 << 40, "5.0 TiB")]
        {
            assert_eq!(readable(bytes), text);
        }
        let report = memory_report(&config(""));
        assert!(report.lines().count() == 9 && report.starts_with("At most "), "{report}");
    }
}
