//! What `/proc/PID/stat` says of a process: enough to know it again when its pid may have changed hands.

use rustix::process::Pid;

/// One process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: Pid,
    /// The id of its process group; `None` is a thread of the kernel.
    pub(crate) group: Option<Pid>,
    /// When it started, in clock ticks since boot. With the pid it names a process for as long as the system is up.
    pub(crate) started: u64,
    /// It has ended: a zombie, or about to be none.
    pub(crate) dead: bool,
}

impl Stat {
    /// Of one process; `None` if there is none of that id any more.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        Self::parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Of every process there is.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pid = |name: &str| Pid::from_raw(name.parse().ok()?);
        let stat = |process: std::fs::DirEntry| Self::of(pid(process.file_name().to_str()?)?);
        processes.flatten().filter_map(stat).collect()
    }

    fn parse(pid: Pid, line: &str) -> Option<Self> {
        // The name in parentheses may hold anything. After it: field 3, the state; 5, the group; 22, the start.
        let (_, fields) = line.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            pid,
            group: Pid::from_raw(field(5)?.parse().ok()?),
            started: field(22)?.parse().ok()?,
            dead: matches!(field(3)?, "Z" | "X"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this failed, a process that has got the pid of a child would be taken for that child, and ended.
    #[test]
    fn knows_itself_again() {
        let me = rustix::process::getpid();
        let stat = Stat::of(me).unwrap();
        assert_eq!(Some(stat), Stat::of(me));
        assert_eq!(stat.group, Some(rustix::process::getpgrp()));
        assert!(!stat.dead && stat.started > 0);
        assert!(Stat::all().contains(&stat));
    }

    #[test]
    fn reads_behind_any_name() {
        let pid = Pid::from_raw(77).unwrap();
        let line = "77 (a) b (c) Z 1 70 70 0 -1 4 100 0 0 0 5 6 7 8 20 0 1 0 99 0";
        let stat = Stat::parse(pid, line).unwrap();
        assert_eq!((stat.group, stat.started, stat.dead), (Pid::from_raw(70), 99, true));
        assert_eq!(Stat::parse(pid, "77 (x) S 1"), None);
    }
}
