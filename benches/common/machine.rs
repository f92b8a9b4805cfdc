//! Where it was measured.

use std::fmt;
use std::fs;

use serde::Serialize;

/// What the numbers depend on besides the programs.
#[derive(Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    /// Load average of the last minute before the start: above the number of cores, be careful.
    load_before: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: model.map_or_else(|| "unknown".into(), |(_, name)| name.to_owned()),
            load_before: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, load_before } = self;
        write!(f, "{processor}, {cores} cores, load {load_before} before the start")
    }
}
