//! One pass over `/proc`, grouped by process group. Blocking.

use std::collections::{HashMap, HashSet};

use rustix::param::page_size;

/// The clock of `/proc/PID/stat`: 100 on every Linux architecture that Rust supports, whatever the kernel's own HZ.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the processes of one group use now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) processes: u64,
    pub(super) memory: u64,
    pub(super) open_fds: u64,
    /// With that of the ended that one of them has waited for.
    pub(super) cpu_seconds: f64,
}

struct Process {
    group: u32,
    dead: bool,
    ticks: u64,
    pages: u64,
}

/// Of each of these groups that has a member.
pub(super) fn pass(groups: &HashSet<u32>) -> HashMap<u32, Sample> {
    let mut samples: HashMap<u32, Sample> = HashMap::new();
    let Ok(processes) = std::fs::read_dir("/proc") else { return samples };
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some(process) = parse(&stat).filter(|process| groups.contains(&process.group)) else { continue };
        let sample = samples.entry(process.group).or_default();
        sample.cpu_seconds += process.ticks as f64 / TICKS_PER_SECOND;
        if process.dead {
            continue;
        }
        sample.processes += 1;
        sample.memory += process.pages * page_size() as u64;
        // Those of a process that has changed its user are not ours to see.
        sample.open_fds += std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |open| open.count() as u64);
    }
    samples
}

fn parse(stat: &str) -> Option<Process> {
    // The name in parentheses may hold anything. After it: field 3, the state; 5, the group; 14 to 17, the times, its own
    // and of the children it waited for; 24, the resident pages (proc(5)).
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    let number = |at| field(at)?.parse::<u64>().ok();
    Some(Process {
        group: field(5)?.parse().ok()?,
        dead: matches!(field(3)?, "Z" | "X"),
        ticks: (14..=17).map(number).sum::<Option<u64>>()?,
        pages: number(24)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_group_is_seen_with_all_it_uses() {
        let group = u32::try_from(rustix::process::getpgrp().as_raw_nonzero().get()).unwrap();
        let seen = pass(&HashSet::from([group, u32::MAX]));
        assert_eq!(seen.len(), 1, "no process is in a group that is not there");
        let sample = seen[&group];
        assert!(sample.processes >= 1 && sample.memory > 1_000_000 && sample.open_fds > 2, "{sample:?}");
    }

    #[test]
    fn reads_behind_any_name() {
        let line = "77 (a) b (c) S 1 70 70 0 -1 4 100 0 0 0 5 6 7 8 20 0 1 0 99 4096 12";
        let process = parse(line).unwrap();
        assert_eq!((process.group, process.dead, process.ticks, process.pages), (70, false, 26, 12));
        assert!(parse("77 (x) S 1").is_none());
    }
}
