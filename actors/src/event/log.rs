//! The log line of an event.

use tracing::Level;

use super::SupervisionEvent;

/// The level of a line has to be known when the program is compiled.
macro_rules! line {
    ($level:ident, $event:expr, $message:expr) => {
        tracing::$level!(
            event = $event.kind.as_str(),
            backend = $event.backend.as_deref(),
            session = $event.session.as_deref(),
            incarnation = $event.incarnation,
            pid = $event.pid,
            reason = $event.reason.as_deref(),
            result = $event.result,
            start = $event.start,
            actor = $event.actor,
            exit_code = $event.exit_code,
            signal = $event.signal,
            error_count = $event.error_count,
            max_error_count = $event.max_error_count,
            restarts = $event.restarts,
            wait_ms = $event.backoff.map(|wait| wait.as_millis() as u64),
            stderr_tail = $event.stderr_tail.as_deref(),
            "{}",
            $message
        )
    };
}

impl SupervisionEvent {
    pub(super) fn log(&self) {
        let message = if self.detail.is_empty() { self.kind.as_str() } else { &self.detail };
        match self.level {
            Level::ERROR => line!(error, self, message),
            Level::WARN => line!(warn, self, message),
            Level::INFO => line!(info, self, message),
            _ => line!(debug, self, message),
        }
    }
}
