//! The guard's own program: it listens, and when the pipe ends it cleans up.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::cleanup;
use super::record::Record;
use crate::process;

/// What the guard knows of the process it works for.
#[derive(Debug, Default)]
struct Watch {
    instance: Option<String>,
    /// The leaders of the groups that live, and when they started.
    groups: BTreeMap<u32, u64>,
    /// The engines by which containers run.
    engines: BTreeSet<String>,
}

/// Runs as the guard of the process at the other end of standard input, and ends with it: a program that passes
/// `LauncherOptions::guard` must call this first thing when it finds itself started with those arguments, before it opens a file
/// or starts a thread, since it takes over the whole process.
///
/// When standard input ends without a goodbye, it ends everything that it was told of.
pub fn run_guard() -> ! {
    // Whatever of this fails, a guard with a flaw is better than none.
    let _ = rustix::process::setsid();
    ignore_signals();
    let _ = process::close_all_but_standard();
    // It would keep a file system from being unmounted.
    let _ = std::env::set_current_dir("/");
    // In a process list, where the name would be "exe".
    let _ = std::fs::write("/proc/self/comm", "mcpvisor-guard");
    if let Some(left) = listen(std::io::stdin().lock()) {
        cleanup::end_all(left.instance.as_deref(), left.groups, &left.engines);
    }
    std::process::exit(0)
}

/// A terminal's Ctrl-C, a closing terminal and an init system that ends the whole service mean the process we work for: it
/// will say goodbye. A handler that does nothing has to do, as ignoring them for real has no safe wrapper.
fn ignore_signals() {
    let nobody_reads_it = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        let _ = signal_hook::flag::register(signal, nobody_reads_it.clone());
    }
}

/// Listens to the end. What is left to clean up; `None` after a goodbye.
fn listen(mut pipe: impl BufRead) -> Option<Watch> {
    let mut watch = Watch::default();
    let mut line = String::new();
    loop {
        line.clear();
        match pipe.read_line(&mut line) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return Some(watch),
            Ok(_) => match Record::parse(&line) {
                Some(Record::Bye) => return None,
                Some(record) => watch.note(record),
                // The beginning of a record whose writer died: the sweep finds that child by its marker.
                None => {}
            },
        }
    }
}

impl Watch {
    fn note(&mut self, record: Record) {
        match record {
            Record::Instance(id) => self.instance = Some(id),
            Record::Remember { group, started } => {
                self.groups.insert(group, started);
            }
            Record::Engine(written) => {
                self.engines.insert(written);
            }
            Record::Forget { group } => {
                self.groups.remove(&group);
            }
            Record::Bye => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this failed, the guard would end what ended long ago and is somebody else's now, or end servers after a drain.
    #[test]
    fn what_lives_at_the_end_is_what_was_told_and_not_taken_back() {
        let left = listen("instance i\n+ 7 70\n+ 8 80\nwhat?\n- 7\n+ 9 90\n+ 10 1".as_bytes()).unwrap();
        assert_eq!(left.instance.as_deref(), Some("i"));
        assert_eq!(left.groups, BTreeMap::from([(8, 80), (9, 90)]), "half a record is none");
        assert!(listen("instance i\n+ 7 70\nbye\n".as_bytes()).is_none());
    }
}
