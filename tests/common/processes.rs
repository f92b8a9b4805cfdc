//! What the operating system knows of a service and its children.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Whether the process is there, a zombie included.
pub fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

pub fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

pub fn kill_9(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Ends a process that may have ended already.
pub fn end(pid: u32) {
    let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL);
}

/// Signals a process of this instance, if it still is one: the number may belong to somebody else by now.
pub fn signal_marked(pid: u32, instance: &str, signal: Signal) -> bool {
    let number = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else { return false };
    is_marked(pid, instance) && pidfd_send_signal(&process, signal).is_ok()
}

/// Every process that carries the mark of this instance in its environment: servers, and whatever they
/// started, wherever it went.
pub fn marked(instance: &str) -> Vec<u32> {
    all().filter(|pid| is_marked(*pid, instance)).collect()
}

fn is_marked(pid: u32, instance: &str) -> bool {
    let mark = format!("MCPVISOR_CHILD={instance}:");
    has_variable(pid, |variable| variable.starts_with(mark.as_bytes()))
}

/// The same for one server and what it has started.
pub fn carrying(marker: &str) -> Vec<u32> {
    let mark = format!("MCPVISOR_CHILD={marker}");
    all().filter(|pid| has_variable(*pid, |variable| variable == mark.as_bytes())).collect()
}

fn has_variable(pid: u32, wanted: impl Fn(&[u8]) -> bool) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(wanted)
}

/// The children of a process and the letter of their state.
pub fn processes_of(parent: u32) -> Vec<(u32, char)> {
    let child = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it is in parentheses and may have spaces in it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        (fields.next()?.parse::<u32>().ok()? == parent).then_some((pid, state))
    };
    all().filter_map(child).collect()
}

/// The children that ended and were never reaped.
pub fn zombies_of(parent: u32) -> Vec<u32> {
    let children = processes_of(parent).into_iter();
    children.filter(|(_, state)| *state == 'Z').map(|(pid, _)| pid).collect()
}

/// How many file descriptors a process has open.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
