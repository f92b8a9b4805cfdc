//! A child's stderr in mcpvisor's log: line by line at debug, as many as a log can bear.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::Instant;

/// Lines a second in the long run, and at once.
const LINES_PER_SECOND: u32 = 20;
const BURST: u32 = 50;

/// A longer line is cut in the log (not in the ring).
const LOGGED_BYTES: usize = 4096;

/// Whose stderr it is: the fields of every line logged.
pub(super) struct Origin {
    pub(super) backend: String,
    /// The hash of the session id.
    pub(super) session: String,
    pub(super) pid: u32,
}

pub(super) struct LineLog {
    origin: Origin,
    allowance: Allowance,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
}

/// A token bucket that counts what it refused.
#[derive(Debug)]
struct Allowance {
    /// Until when the lines told so far use up the steady rate; full when that is past.
    spent_until: Instant,
    suppressed: usize,
}

impl LineLog {
    pub(super) fn new(origin: Origin, now: Instant) -> Self {
        Self { origin, allowance: Allowance::full(now), partial: Vec::new() }
    }

    /// Another session than the one before.
    pub(super) fn rename(&mut self, session: String) {
        self.origin.session = session;
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], now: Instant) {
        if !tracing::enabled!(target: "mcpvisor::backend", tracing::Level::DEBUG) {
            return;
        }
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            if !self.allowance.take(now) {
                // The rest of a flood is counted, not looked at.
                self.allowance.suppressed += memchr::memchr_iter(b'\n', &chunk[end + 1..]).count();
                let last = memchr::memrchr(b'\n', chunk).unwrap_or(end);
                self.partial = Vec::new();
                self.keep(&chunk[last + 1..]);
                return;
            }
            self.tell_suppressed();
            if self.partial.is_empty() {
                self.tell(&chunk[..end]);
            } else {
                self.keep(&chunk[..end]);
                let line = std::mem::take(&mut self.partial);
                self.tell(&line);
            }
            chunk = &chunk[end + 1..];
        }
        self.keep(chunk);
    }

    /// Tells what is left: last words without a line end, and how many lines were left out.
    pub(super) fn finish(&mut self, now: Instant) {
        if !self.partial.is_empty() && self.allowance.take(now) {
            self.tell_suppressed();
            self.tell(&self.partial);
        }
        self.partial = Vec::new();
        self.tell_suppressed();
    }

    fn keep(&mut self, bytes: &[u8]) {
        // One more than is told, so that a cut shows.
        let room = (LOGGED_BYTES + 1).saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn tell(&self, line: &[u8]) {
        let line = printable(line);
        if line.is_empty() {
            return;
        }
        let Origin { backend, session, pid } = &self.origin;
        tracing::debug!(target: "mcpvisor::backend", %backend, %session, pid, "{line}");
    }

    fn tell_suppressed(&mut self) {
        let lines = std::mem::take(&mut self.allowance.suppressed);
        if lines == 0 {
            return;
        }
        let Origin { backend, session, pid } = &self.origin;
        tracing::debug!(target: "mcpvisor::backend", %backend, %session, pid, lines, "{lines} lines suppressed");
    }
}

impl Allowance {
    const PER_LINE: Duration = Duration::from_micros(1_000_000 / LINES_PER_SECOND as u64);

    fn full(now: Instant) -> Self {
        Self { spent_until: now, suppressed: 0 }
    }

    /// Whether one more line may be told; if not, it is counted.
    fn take(&mut self, now: Instant) -> bool {
        let spent_until = self.spent_until.max(now) + Self::PER_LINE;
        if spent_until > now + Self::PER_LINE * BURST {
            self.suppressed += 1;
            return false;
        }
        self.spent_until = spent_until;
        true
    }
}

/// Whoever reads the log may have a terminal, which takes some characters for commands.
fn printable(line: &[u8]) -> Cow<'_, str> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() <= LOGGED_BYTES {
        return without_controls(String::from_utf8_lossy(line));
    }
    let cut = without_controls(String::from_utf8_lossy(&line[..LOGGED_BYTES]));
    Cow::Owned(format!("{cut} [cut]"))
}

fn without_controls(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_command = |char: char| char.is_control() && char != '\t';
    if !text.contains(is_command) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_command(char) { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server could write to the terminal of whoever looks at the log, or make up lines of it.
    #[test]
    fn what_is_a_command_to_a_terminal_is_spelt_out() {
        assert_eq!(printable(b"a\tb \xc3\xa4 \r"), "a\tb \u{e4} ");
        assert_eq!(printable(b"\x1b[2J\0\x07a\rb\xc2\x9b"), "\\u{1b}[2J\\u{0}\\u{7}a\\rb\\u{9b}");
    }

    /// If this failed, a server that logs in a loop would fill the disk, or a quiet one would be silenced.
    #[test]
    fn an_allowance_of_a_burst_and_a_steady_rate() {
        let start = Instant::now();
        let mut allowance = Allowance::full(start);
        let told = |allowance: &mut Allowance, now| (0..1000).filter(|_| allowance.take(now)).count();
        assert_eq!(told(&mut allowance, start), 50);
        assert_eq!(allowance.suppressed, 950);
        assert_eq!(told(&mut allowance, start + Duration::from_secs(1)), 20);
        assert_eq!(told(&mut allowance, start + Duration::from_secs(60)), 50);
    }
}
