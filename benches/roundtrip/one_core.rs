//! Client, server and backends on one core, for as long as it is held.
//!
//! Where the system happens to put them decides more than anything else how long a single call takes: to wake a
//! process on an idle core of a virtual machine costs more than all the work of a call. On one core nobody is
//! woken elsewhere, and what is left is the work.

use std::fs;

use anyhow::Context;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::common::server::as_pid;

/// Ends with the old freedom of everybody.
pub(crate) struct OneCore {
    server: Option<u32>,
    before: CpuSet,
}

impl OneCore {
    /// This thread, and all threads of `server`. What either starts from now on inherits it.
    pub(crate) fn hold(server: Option<u32>) -> anyhow::Result<Self> {
        let before = sched_getaffinity(None)?;
        let core =
            (0..CpuSet::MAX_CPU).rev().find(|core| before.is_set(*core)).context("no core to run on")?;
        let mut one = CpuSet::new();
        one.set(core);
        let held = Self { server, before };
        held.set(&one);
        Ok(held)
    }

    fn set(&self, cores: &CpuSet) {
        // A thread that has just ended needs no core.
        for thread in std::iter::once(None).chain(self.server.into_iter().flat_map(threads).map(Some)) {
            let _ = sched_setaffinity(thread, cores);
        }
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}

fn threads(process: u32) -> Vec<Pid> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| as_pid(entry.file_name().to_str()?.parse().ok()?)).collect()
}
