//! How the configuration was last read.

use std::time::SystemTime;

use mcpvisor_actors::metrics::{Counters, Gauges};

use super::catalogue::{CONFIG_RELOADS, LAST_RELOAD_SUCCESSFUL, LAST_RELOAD_TIME};

/// What became of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// What was read is in effect.
    Done,
    /// It was refused; what was in effect still is.
    Failed,
    /// It said what was in effect already.
    Unchanged,
}

/// The start has read a configuration that is in effect.
pub(super) fn start() {
    Counters::new(&CONFIG_RELOADS, None);
    show(true);
}

/// Counts a reload, and shows whether what is in effect is what was read last.
pub fn count(reload: Reload) {
    let result = match reload {
        Reload::Done => "ok",
        Reload::Failed => "failed",
        Reload::Unchanged => "unchanged",
    };
    Counters::new(&CONFIG_RELOADS, None).add(&[result], 1);
    show(reload != Reload::Failed);
}

fn show(successful: bool) {
    Gauges::new(&LAST_RELOAD_SUCCESSFUL, None).set(&[], f64::from(u8::from(successful)));
    if successful {
        #[expect(clippy::disallowed_methods, reason = "shown to people; nothing is decided by it")]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Gauges::new(&LAST_RELOAD_TIME, None).set(&[], now.as_secs_f64());
    }
}
