//! One sweep over `/proc`. Blocking.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use memchr::memmem;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, getpid, pidfd_open, pidfd_send_signal};

use crate::process::MARKER_VARIABLE;

/// A process can fork while it is looked for, so a pass that found something is repeated. Whoever forks faster than this
/// is a fork bomb, and no sweep catches those.
const MAX_PASSES: usize = 5;

/// How long the victims of a pass may take to die before the next one, in nanoseconds.
const DEATH_NANOSECONDS: i64 = 100_000_000;

/// The user who may look into every process.
const ROOT: u32 = 0;

/// `PF_KTHREAD` of the kernel's `linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// How often, at 1 ms and then twice as long each, a process in the middle of an `exec` is looked at again.
const LOOKS: u32 = 10;

/// The markers looked for, and for each of them the processes it was found on.
struct Search {
    places: HashMap<Vec<u8>, usize>,
    found: Vec<HashSet<Pid>>,
    environment: Vec<u8>,
    /// The killed of this pass, held until they are dead.
    victims: Vec<OwnedFd>,
    killed: bool,
}

/// What a process carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// The marker at this place of those looked for.
    Marker(usize),
    /// None of those looked for.
    Nothing,
    /// For the moment nobody can tell: its old environment is gone and the new one is not there yet.
    Unclear,
}

/// Ends whatever carries one of the markers and returns how many processes did, in the order of the markers. A marker that
/// ends with a colon stands for all that begin with it.
pub(super) fn end_marked(markers: Vec<String>) -> Vec<usize> {
    let asked: Vec<Vec<u8>> = markers.into_iter().map(String::into_bytes).collect();
    let mut places = HashMap::new();
    for marker in &asked {
        let next = places.len();
        places.entry(marker.clone()).or_insert(next);
    }
    let found = vec![HashSet::new(); places.len()];
    let mut search = Search { places, found, environment: Vec::new(), victims: Vec::new(), killed: false };
    for _ in 0..MAX_PASSES {
        search.pass();
        search.await_death();
        if !std::mem::take(&mut search.killed) {
            break;
        }
    }
    asked
        .iter()
        .map(|marker| search.places.get(marker).map_or(0, |&place| search.found[place].len()))
        .collect()
}

impl Search {
    /// Looks at every process once and kills those that carry a marker.
    fn pass(&mut self) {
        let Ok(processes) = std::fs::read_dir("/proc") else { return };
        let own_user = geteuid().as_raw();
        let own_pid = getpid();
        let mut unclear = Vec::new();
        for process in processes.flatten() {
            let Some(pid) = pid_of(process.file_name().as_bytes()) else { continue };
            // A process of another user, or one that hides its memory, is not ours to look into. Root may have started
            // some as other users (`sandbox.user`).
            let is_ours = |owner: Metadata| own_user == ROOT || owner.uid() == own_user;
            if pid == own_pid || !process.metadata().is_ok_and(is_ours) {
                continue;
            }
            if self.end(pid) == Carries::Unclear {
                unclear.push(pid);
            }
        }
        for look in 0..LOOKS {
            if unclear.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1 << look));
            unclear.retain(|&pid| self.end(pid) == Carries::Unclear);
        }
    }

    /// Kills a process if it carries a marker that is looked for. The pid may change hands after the first look; a pidfd
    /// cannot: what the second look reads is either the environment of the very process that the pidfd stands for, or
    /// that one is dead and the signal goes nowhere.
    fn end(&mut self, pid: Pid) -> Carries {
        let first = self.carried_by(pid);
        if !matches!(first, Carries::Marker(_)) {
            return first;
        }
        let opened = self.with_a_descriptor(|| Ok(pidfd_open(pid, PidfdFlags::empty())?));
        let Ok(pidfd) = opened else { return Carries::Nothing };
        let second = self.carried_by(pid);
        if let Carries::Marker(place) = second
            && pidfd_send_signal(&pidfd, Signal::KILL).is_ok()
        {
            self.found[place].insert(pid);
            self.victims.push(pidfd);
            self.killed = true;
        }
        second
    }

    fn carried_by(&mut self, pid: Pid) -> Carries {
        self.environment.clear();
        let opened = self.with_a_descriptor(|| File::open(format!("/proc/{pid}/environ")));
        let read = opened.and_then(|mut environ| environ.read_to_end(&mut self.environment));
        // What may not be read (pid 1 in a container, say) will not be readable a moment later either.
        if matches!(read, Ok(0)) && is_starting(pid) {
            return Carries::Unclear;
        }
        marker_in(&self.environment, |marker| place_of(marker, &self.places))
            .map_or(Carries::Nothing, Carries::Marker)
    }
}

impl Search {
    /// Opens something, once more if there is no descriptor left: those of the killed are free once they are dead.
    fn with_a_descriptor<T>(&mut self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        open().or_else(|error| {
            if error.raw_os_error() != Some(Errno::MFILE.raw_os_error()) {
                return Err(error);
            }
            self.await_death();
            open()
        })
    }

    /// Waits until the killed are dead, so that the next pass does not find them again and again.
    fn await_death(&mut self) {
        for victim in self.victims.drain(..) {
            let timeout = Timespec { tv_sec: 0, tv_nsec: DEATH_NANOSECONDS };
            let _ = poll(&mut [PollFd::new(&victim, PollFlags::IN)], Some(&timeout));
        }
    }
}

/// Whether a process whose environment reads empty is in the middle of an `exec`, and not dead, not a thread of the
/// kernel, and not one that really has none.
fn is_starting(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat_is_starting(&stat).unwrap_or(false))
}

fn stat_is_starting(stat: &str) -> Option<bool> {
    // The name in parentheses may hold anything. After it: field 3, the state; 9, the flags; 50 and 51, where in its
    // memory the environment begins and ends.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let dead = matches!(*fields.first()?, "Z" | "X");
    let of_the_kernel = number(9)? & KERNEL_THREAD != 0;
    let (begin, end) = (number(50)?, number(51)?);
    let has_none = end != 0 && begin == end;
    Some(!dead && !of_the_kernel && !has_none)
}

/// Whether a process carries a marker that begins with `prefix`.
pub(crate) fn carries(pid: Pid, prefix: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    marker_in(&environment, |marker| marker.starts_with(prefix.as_bytes()).then_some(())).is_some()
}

/// Where the marker stands, itself or what all of its instance begin with.
fn place_of(marker: &[u8], places: &HashMap<Vec<u8>, usize>) -> Option<usize> {
    let instance = memchr::memchr(b':', marker).map(|colon| &marker[..=colon]);
    places.get(marker).or_else(|| places.get(instance?)).copied()
}

/// The first entry `MCPVISOR_CHILD=…` whose value `known` knows.
fn marker_in<T>(environment: &[u8], known: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    memmem::find_iter(environment, MARKER_VARIABLE).find_map(|start| {
        let begins_entry = start == 0 || environment[start - 1] == 0;
        let value = environment[start + MARKER_VARIABLE.len()..].strip_prefix(b"=")?;
        let value = value.split(|&byte| byte == 0).next()?;
        if begins_entry { known(value) } else { None }
    })
}

fn pid_of(name: &[u8]) -> Option<Pid> {
    Pid::from_raw(std::str::from_utf8(name).ok()?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carries(environment: &[u8], marker: &[u8]) -> bool {
        marker_in(environment, |value| (value == marker).then_some(())).is_some()
    }

    /// If this failed, the sweep would end a process of another incarnation, or miss one of this.
    #[test]
    fn only_the_exact_marker_counts() {
        assert!(carries(b"MCPVISOR_CHILD=i:1\0PATH=/bin\0", b"i:1"));
        assert!(carries(b"PATH=/bin\0MCPVISOR_CHILD=i:1", b"i:1"));
        assert!(carries(b"MCPVISOR_CHILD=i:2\0MCPVISOR_CHILD=i:1\0", b"i:1"));
        assert!(!carries(b"MCPVISOR_CHILD=i:12\0", b"i:1"));
        assert!(!carries(b"MCPVISOR_CHILD=i:1\0", b"i:12"));
        assert!(!carries(b"NOT_MCPVISOR_CHILD=i:1\0", b"i:1"));
        assert!(!carries(b"X=MCPVISOR_CHILD=i:1\0", b"i:1"));
        assert!(!carries(b"MCPVISOR_CHILDREN=i:1\0", b"i:1"));
        assert!(!carries(b"", b"i:1"));
    }

    /// If this failed, a service would end the children of another, or a restart would leave those of the last start.
    #[test]
    fn a_whole_instance_is_found_by_what_its_markers_begin_with() {
        let places = HashMap::from([(b"i:".to_vec(), 0), (b"j:7".to_vec(), 1)]);
        let found = |marker: &str| place_of(marker.as_bytes(), &places);
        assert_eq!([found("i:1"), found("i:22"), found("j:7")], [Some(0), Some(0), Some(1)]);
        assert_eq!([found("ii:1"), found("i"), found("j:77"), found("j:"), found("")], [None; 5]);
    }

    /// If this failed, a descendant caught between two programs would be left behind, or every sweep would wait for
    /// processes that have no environment.
    #[test]
    fn only_an_exec_under_way_is_unclear() {
        let stat = |state: &str, flags: u64, begin: u64, end: u64| {
            let middle = vec!["0"; 40].join(" ");
            format!("7 (a) b) {state} 1 7 7 0 -1 {flags} {middle} {begin} {end} 0")
        };
        assert_eq!(stat_is_starting(&stat("R", 0, 0, 0)), Some(true));
        assert_eq!(stat_is_starting(&stat("R", 0, 100, 200)), Some(true), "it was, while we read");
        assert_eq!(stat_is_starting(&stat("S", 0, 100, 100)), Some(false));
        assert_eq!(stat_is_starting(&stat("Z", 0, 0, 0)), Some(false));
        assert_eq!(stat_is_starting(&stat("S", KERNEL_THREAD, 0, 0)), Some(false));
        assert_eq!(stat_is_starting(""), None);
    }
}
