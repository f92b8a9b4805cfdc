//! What `/proc` says of mcpvisor itself. Blocking: a busy machine makes it slow.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What is told of mcpvisor itself.
pub(crate) struct OwnProcess {
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    /// In bytes.
    pub(crate) resident: u64,
    /// In bytes.
    pub(crate) virtual_size: u64,
    /// Seconds since 1970.
    pub(crate) start_time: f64,
    pub(crate) threads: u64,
    pub(crate) open_fds: u64,
    /// `None`: no limit.
    pub(crate) max_fds: Option<u64>,
}

/// Reads it; `None` where there is no `/proc`.
pub(crate) fn own_process() -> Option<OwnProcess> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold anything; what follows it is numbers, from field 3 on (proc(5)).
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = clock_ticks_per_second() as f64;
    let booted = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = booted.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(OwnProcess {
        cpu_seconds: (field(14)? + field(15)?) as f64 / ticks,
        resident: field(24)? * page_size() as u64,
        virtual_size: field(23)?,
        start_time: booted + field(22)? as f64 / ticks,
        threads: field(20)?,
        open_fds: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        max_fds: getrlimit(Resource::Nofile).current,
    })
}
