//! Colours, where there is somebody to see them.

use std::io::IsTerminal;

/// What a text says by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
    Heading,
}

/// Whether to colour what is printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    /// Only on a terminal, and not where `NO_COLOR` is set.
    pub(super) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(!refused && std::io::stdout().is_terminal())
    }

    #[cfg(test)]
    pub(super) fn always() -> Self {
        Self(true)
    }

    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        match tone.code() {
            Some(code) if self.0 && !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

impl Tone {
    /// Of a connection's phase or a backend's status.
    pub(super) fn of_state(state: &str) -> Self {
        match state {
            "ready" | "running" => Self::Good,
            "launching" | "backing_off" | "draining" => Self::Busy,
            "error" => Self::Bad,
            "stopped" | "disabled" => Self::Faint,
            _ => Self::Plain,
        }
    }

    /// Of an event, by its name.
    pub(super) fn of_event(event: &str) -> Self {
        match event {
            "connection.ready" | "breaker.closed" | "backend.started" => Self::Good,
            "connection.lost"
            | "connection.stopped"
            | "connection.request_failed"
            | "breaker.opened"
            | "spare.lost"
            | "actor.failed"
            | "supervision.escalated" => Self::Bad,
            "connection.backing_off"
            | "connection.restarting"
            | "session.ended"
            | "backend.stopped"
            | "events.missed" => Self::Busy,
            _ => Self::Plain,
        }
    }

    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Busy => Some("33"),
            Self::Bad => Some("31"),
            Self::Faint => Some("2"),
            Self::Heading => Some("1"),
        }
    }
}

/// What others wrote must not move the cursor, nor change the window.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|one| if one.is_control() && one != '\t' { '\u{fffd}' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_only() {
        assert_eq!(Paint(false).paint(Tone::Bad, "x"), "x");
        assert_eq!(Paint::always().paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Paint::always().paint(Tone::Plain, "x"), "x");
        assert_eq!(harmless("a\x1b[2Jb\tc"), "a\u{fffd}[2Jb\tc");
    }
}
