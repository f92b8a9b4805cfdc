//! What a process holds of the machine's memory, without its children.

use std::fs;

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// KiB, as `/proc/PID/smaps_rollup` says.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Memory {
    /// What it has in memory.
    pub(crate) rss: u64,
    /// The same, with what it shares with others (its program's text) divided among them.
    pub(crate) pss: u64,
    /// What only it has.
    pub(crate) private: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let file = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        let kib = |name: &str| -> anyhow::Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let value = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            value.with_context(|| format!("{file} has no {name}"))
        };
        let private = kib("Private_Clean")? + kib("Private_Dirty")?;
        Ok(Self { rss: kib("Rss")?, pss: kib("Pss")?, private })
    }
}

/// Raises this process's limit of open files as far as it may go, which must be `wanted` at least. What it starts inherits it.
pub(crate) fn allow_files(wanted: u64) -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let enough = maximum.is_none_or(|maximum| maximum >= wanted);
    ensure!(enough, "the hard limit of open files is {maximum:?}, not {wanted} (ulimit -Hn)");
    Ok(())
}
