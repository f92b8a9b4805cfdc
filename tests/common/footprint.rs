//! How much of the machine a process holds.

use std::fs;

use serde::Serialize;

/// What `/proc` says at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Footprint {
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// Open file descriptors.
    pub files: u64,
    pub threads: u64,
}

impl Footprint {
    /// `None` once the process is gone.
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            value.split_whitespace().next()?.parse().ok()
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
        Some(Self { rss_kib: field("VmRSS")?, files, threads: field("Threads")? })
    }

    /// The higher one of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            rss_kib: self.rss_kib.max(other.rss_kib),
            files: self.files.max(other.files),
            threads: self.threads.max(other.threads),
        }
    }

    /// Resident memory in MiB.
    pub fn mib(self) -> f64 {
        self.rss_kib as f64 / 1024.0
    }
}
