//! What `/proc` says of mcpvisor and of its children. Read off the runtime: a busy machine makes it slow.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What is told of mcpvisor itself.
pub(super) struct OwnProcess {
    /// User and system time.
    pub(super) cpu_seconds: f64,
    /// In bytes.
    pub(super) resident: u64,
    /// In bytes.
    pub(super) virtual_size: u64,
    /// Seconds since 1970.
    pub(super) start_time: f64,
    pub(super) threads: u64,
    pub(super) open_fds: u64,
    /// `None`: no limit.
    pub(super) max_fds: Option<u64>,
}

/// Reads it; `None` where there is no `/proc`.
pub(super) async fn own_process() -> Option<OwnProcess> {
    tokio::task::spawn_blocking(read_own).await.ok().flatten()
}

/// Resident memory of each process, in bytes.
pub(super) async fn resident_bytes(pids: Vec<Option<u32>>) -> Vec<Option<u64>> {
    let read = move || pids.into_iter().map(|pid| resident_of(pid?)).collect();
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn resident_of(pid: u32) -> Option<u64> {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()? * page_size() as u64)
}

fn read_own() -> Option<OwnProcess> {
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
